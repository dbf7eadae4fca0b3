//! A login that is taken back in the middle of a run, whose secrets are files that a sidecar renders.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::books::assert_balanced;
use crate::support::TestDatabase;
use crate::{assert_issued, command, end, told, variable, with_usage};

const ACCOUNTS: i64 = 60;

async fn issued(db: &TestDatabase) -> i64 {
    db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await
}

/// As a sidecar does it.
fn replace(folder: &Path, name: &str, secret: &serde_json::Value) {
    let other = folder.join(format!("{name}.new"));
    std::fs::write(&other, secret.to_string()).unwrap();
    std::fs::rename(&other, folder.join(format!("{name}.json"))).unwrap();
}

/// One job at a time, so that the run is long enough to be met in its middle.
fn run_with_files(db: &TestDatabase, folder: &Path) -> Command {
    let mut command = command(db, &[], &variable("BILLING_TEST_S3_ENDPOINT"));
    command.env_remove("BILLING_SECRET_DATABASE_WORKER_USERNAME").env_remove("BILLING_SECRET_DATABASE_WORKER_PASSWORD");
    command.env("BILLING_CREDENTIALS", "files").env("BILLING_CREDENTIALS_DIR", folder);
    command.env("BILLING_INVOICE_PARALLEL", "1").env("BILLING_INVOICE_RETRY_MINUTES", "1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_dropped_in_mid_run_is_followed_by_the_next() {
    let db = with_usage(u128::try_from(ACCOUNTS).unwrap()).await;
    let folder = std::env::temp_dir().join(format!("billing-logins-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let keys = ["ACCESS_KEY", "SECRET_KEY"].map(|name| variable(&format!("BILLING_TEST_S3_{name}")));
    replace(&folder, "s3", &json!({"access_key": keys[0], "secret_key": keys[1]}));
    let users = ["first", "second"].map(|name| format!("{name}_{}", uuid::Uuid::new_v4().simple()));
    for user in &users {
        let make = format!("CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE billing_worker");
        db.owner.batch_execute(&make).await.unwrap();
    }
    let login = |user: &str| json!({"username": user, "password": user});
    replace(&folder, "database-worker", &login(&users[0]));

    let run = tokio::spawn(end(run_with_files(&db, &folder)));
    while issued(&db).await < 3 {
        assert!(!run.is_finished(), "{}", told(&run.await.unwrap()));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let drop = format!(
        "ALTER ROLE {0} NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{0}';
        DROP ROLE {0}",
        users[0]
    );
    db.owner.batch_execute(&drop).await.unwrap();
    let when_dropped = issued(&db).await;
    assert!(when_dropped < ACCOUNTS, "the run was over: the fault was never hit");
    replace(&folder, "database-worker", &login(&users[1]));
    let output = run.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_issued(&db, ACCOUNTS).await;
    assert_balanced(&db, usize::try_from(ACCOUNTS * 5).unwrap()).await;
    std::fs::remove_dir_all(folder).unwrap();
    db.owner.batch_execute(&format!("DROP ROLE {}", users[1])).await.unwrap();
}
