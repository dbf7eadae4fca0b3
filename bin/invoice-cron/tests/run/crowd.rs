//! Many: runs at once, and accounts of which a few cannot be billed.

use billing_domain::OperatorId;
use billing_domain::ports::{DocumentStore as _, PutOutcome, RenderedDocument};
use sha2::{Digest as _, Sha256};

use crate::books::assert_balanced;
use crate::support::{TestDatabase, account, usage};
use crate::{Step, assert_issued, die_after, documents, list_parked, run, told, with_usage};

const EVENTS_EACH: usize = 5;
/// More than a document may have lines.
const TOO_MANY_LINES: usize = 5_001;

/// Everything that a further run may not touch.
pub(crate) async fn snapshot(db: &TestDatabase) -> String {
    let mut all = String::new();
    for (table, key) in [
        ("invoices", "id"),
        ("invoice_lines", "(invoice_id, line)"),
        ("outbox", "position"),
        ("usage_buckets", "id"),
        ("number_series", "year"),
    ] {
        all += &db
            .text(&format!("SELECT coalesce(string_agg(t::text, ',' ORDER BY {key}), '') FROM billing.{table} t"))
            .await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_runs_at_once_one_wins_each_account_and_no_number_is_lost() {
    let db = with_usage(40).await;
    let (a, b, c, d) =
        tokio::join!(run(&db, &["--json"]), run(&db, &["--json"]), run(&db, &["--json"]), run(&db, &["--json"]));
    let mut issued = 0;
    for output in [&a, &b, &c, &d] {
        assert_eq!(output.status.code(), Some(0), "{}", told(output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        issued += report["issued"].as_u64().unwrap();
    }
    // A draft that two runs finish side by side is told by both; it is one invoice with one number and one event.
    assert!(issued >= 40, "{issued}");
    assert_issued(&db, 40).await;
    assert_balanced(&db, 40 * EVENTS_EACH).await;
    let before = snapshot(&db).await;
    assert_eq!(run(&db, &[]).await.status.code(), Some(0));
    assert_eq!(snapshot(&db).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_poisoned_accounts_among_a_thousand_stop_nobody_else() {
    const ACCOUNTS: u16 = 1_000;
    let db = with_usage(ACCOUNTS.into()).await;
    let last = account(ACCOUNTS.into());
    let many: Vec<_> = (0..TOO_MANY_LINES)
        .map(|number| {
            let (receipt, mut usage) = usage(last, "2026-10-06T08:00:00Z");
            usage.operator = OperatorId::new(&format!("op-{number}")).unwrap();
            (receipt, usage)
        })
        .collect();
    db.record(&many).await;
    // The first account's document finds something else at its key.
    let invoice = die_after(&db, Step::Recorded).await;
    let key = db.text(&format!("SELECT s3_key FROM billing.invoices WHERE id = '{invoice}'")).await;
    let foreign = RenderedDocument { bytes: b"not ours".to_vec(), sha256: Sha256::digest(b"not ours").into() };
    assert_eq!(documents().put(&key, &foreign).await.unwrap(), PutOutcome::Stored);

    let output = run(&db, &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let issued = "SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'";
    assert_eq!(db.number(issued).await, i64::from(ACCOUNTS) - 2);
    assert_eq!(db.number("SELECT accounts_failed FROM billing.invoice_runs").await, 2);
    let left = list_parked(&db).await;
    assert_eq!(left.len(), 2, "{left:?}");
    for (id, reason) in
        [(account(1), "another object is stored at the invoice's key"), (last, "5001 lines, more than the 5000")]
    {
        let row = left.iter().find(|row| row["accountId"] == id.to_string()).expect("it is parked");
        assert!(row["reason"].as_str().unwrap().contains(reason), "{row}");
        assert!(told(&output).contains(reason), "{}", told(&output));
    }
    assert_eq!(documents().get(&key).await.unwrap(), Some(foreign.bytes));
    assert_balanced(&db, usize::from(ACCOUNTS) * EVENTS_EACH + TOO_MANY_LINES).await;
}
