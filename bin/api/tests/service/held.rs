//! Messages that are held in quarantine.

use billing_domain::ports::{Accounts, PriceBookStore, UsageLedger};
use billing_domain::usage::QuarantineReason;
use billing_domain::use_cases::{Delivery, Unreadable, prepare_batch};

use crate::support::{TestDatabase, now, receipt};

pub(crate) const RAW: &[u8] = br#"{"to":"+93701234567"}"#;

/// Sets a message aside as ingest does; its id.
pub(crate) async fn hold(db: &TestDatabase) -> i64 {
    let bad = Unreadable { reason: QuarantineReason::Malformed, detail: "not JSON".into(), account: None };
    let delivery = Delivery { receipt: receipt(), raw: RAW, content: Err(bad) };
    db.worker.prepare_partitions(now()).await.expect("it is held");
    let (book, directory) =
        (db.worker.book().await.expect("it is held"), db.worker.directory().await.expect("it is held"));
    db.worker.record(&prepare_batch(&[delivery], now(), &directory, &book)).await.expect("it is held");
    db.number("SELECT max(id) FROM billing.quarantined_messages").await
}
