//! The contracts of the ports that store, on a real server; a database for each promise.

use crate::support::TestDatabase;
use billing_postgres::Postgres;
use billing_testing::contracts::{self, Fresh};

/// Staff are the api, with what it may do; the worker is the worker.
async fn fresh() -> Fresh<Postgres> {
    let db = TestDatabase::create().await;
    Fresh { staff: db.api, worker: db.worker }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_ledger() {
    contracts::usage_ledger(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices() {
    contracts::prices(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts() {
    contracts::accounts(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections() {
    contracts::corrections(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn margins() {
    contracts::margins(fresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine() {
    contracts::quarantine(fresh).await;
}
