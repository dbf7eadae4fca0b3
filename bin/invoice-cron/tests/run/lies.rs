//! An S3 server that lies, on each request and in each way: what became of a document is found out by comparing, and
//! what cannot be proven stays a draft. The other accounts go on.

use billing_domain::AccountId;

use crate::books::assert_balanced;
use crate::liar::{ALWAYS, Liar, Lie, On, Rule};
use crate::support::{TestDatabase, account};
use crate::{command, end, list_parked, run, told, variable, with_usage};

/// What each account hears from its store.
struct Case {
    lies: &'static [(On, Lie, usize)],
    is_issued: bool,
}

const fn issued(lies: &'static [(On, Lie, usize)]) -> Case {
    Case { lies, is_issued: true }
}

const fn parked(lies: &'static [(On, Lie, usize)]) -> Case {
    Case { lies, is_issued: false }
}

const STORED: bool = true;
const INTERNAL: &str = "InternalError";
const LOST_ANSWER: (On, Lie, usize) = (On::Put, Lie::Says(500, INTERNAL, STORED), ALWAYS);

const CASES: [Case; 23] = [
    issued(&[(On::Put, Lie::Says(500, INTERNAL, STORED), 1)]),
    issued(&[LOST_ANSWER]),
    issued(&[(On::Put, Lie::Says(500, INTERNAL, !STORED), 1)]),
    parked(&[(On::Put, Lie::Says(500, INTERNAL, !STORED), ALWAYS)]),
    issued(&[(On::Put, Lie::Says(409, "ConditionalRequestConflict", STORED), ALWAYS)]),
    parked(&[(On::Put, Lie::Says(409, "ConditionalRequestConflict", !STORED), ALWAYS)]),
    issued(&[(On::Put, Lie::Says(412, "PreconditionFailed", STORED), ALWAYS)]),
    parked(&[(On::Put, Lie::Says(412, "PreconditionFailed", !STORED), ALWAYS)]),
    issued(&[(On::Put, Lie::Says(503, "SlowDown", !STORED), 1)]),
    parked(&[(On::Put, Lie::Says(503, "SlowDown", !STORED), ALWAYS)]),
    issued(&[(On::Put, Lie::Silence(STORED), ALWAYS)]),
    parked(&[(On::Put, Lie::Silence(!STORED), ALWAYS)]),
    parked(&[(On::Put, Lie::HalfAsked, ALWAYS)]),
    issued(&[(On::Put, Lie::HalfAsked, 1)]),
    issued(&[LOST_ANSWER, (On::Resolve, Lie::Says(503, "SlowDown", !STORED), 1)]),
    parked(&[LOST_ANSWER, (On::Resolve, Lie::Says(500, INTERNAL, !STORED), ALWAYS)]),
    parked(&[LOST_ANSWER, (On::Resolve, Lie::Says(404, "NoSuchKey", !STORED), ALWAYS)]),
    parked(&[LOST_ANSWER, (On::Resolve, Lie::Silence(!STORED), ALWAYS)]),
    issued(&[LOST_ANSWER, (On::Resolve, Lie::HalfAnswered, 1)]),
    parked(&[LOST_ANSWER, (On::Resolve, Lie::HalfAnswered, ALWAYS)]),
    issued(&[(On::Look, Lie::Says(500, INTERNAL, !STORED), 1)]),
    parked(&[(On::Look, Lie::Says(503, "SlowDown", !STORED), ALWAYS)]),
    parked(&[(On::Look, Lie::Silence(!STORED), ALWAYS)]),
];
/// Accounts that are told the truth.
const OTHERS: usize = 4;
const EVENTS_EACH: usize = 5;

fn of_case(index: usize) -> AccountId {
    account(u128::try_from(index + 1).unwrap())
}

fn rules() -> Vec<Rule> {
    let rule = |index, &(on, lie, times): &(On, Lie, usize)| {
        let key = format!("/{}/", of_case(index));
        Rule { key, on, lie, times, told: 0 }
    };
    CASES.iter().enumerate().flat_map(|(index, case)| case.lies.iter().map(move |lie| rule(index, lie))).collect()
}

/// What may never change once it is there: by account, its number and the hash of its document.
async fn pinned(db: &TestDatabase) -> String {
    db.text(
        "SELECT string_agg(account_id::text || number || encode(pdf_sha256, 'hex'), ',' ORDER BY id)
        FROM billing.invoices",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_store_says_only_what_is_proven_is_issued_and_a_rerun_finishes() {
    let accounts = CASES.len() + OTHERS;
    let db = with_usage(accounts.try_into().unwrap()).await;
    let liar = Liar::before(&variable("BILLING_TEST_S3_ENDPOINT"), rules()).await;
    let mut lied_to = command(&db, &[], &liar.endpoint);
    // All side by side: those that wait for an answer in vain wait together.
    lied_to.env("BILLING_INVOICE_PARALLEL", "32");
    let output = end(lied_to).await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    for rule in liar.rules() {
        let is_hit = if rule.times == ALWAYS { rule.told > 0 } else { rule.told == rule.times };
        assert!(is_hit, "the fault was never hit, or not as often: {rule:?}");
    }
    let left = list_parked(&db).await;
    for (index, case) in CASES.iter().enumerate() {
        let id = of_case(index).to_string();
        let draft = left.iter().find(|row| row["accountId"] == id.as_str());
        assert_eq!(draft.is_none(), case.is_issued, "case {index}, {:?}: {draft:?}", case.lies);
        let reason = draft.map_or("put_document", |row| row["reason"].as_str().unwrap());
        assert!(reason.contains("put_document"), "case {index}: {reason}");
    }
    let failed = CASES.iter().filter(|case| !case.is_issued).count();
    assert_eq!(left.len(), failed, "the other accounts go on");
    let issued = db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await;
    assert_eq!(issued, i64::try_from(accounts - failed).unwrap());
    assert_balanced(&db, accounts * EVENTS_EACH).await;

    let before = pinned(&db).await;
    let output = run(&db, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(pinned(&db).await, before, "another number, or other bytes");
    assert_eq!(list_parked(&db).await.len(), 0);
    let issued = db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await;
    assert_eq!(issued, i64::try_from(accounts).unwrap());
    assert_balanced(&db, accounts * EVENTS_EACH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_never_answers_holds_a_run_of_many_accounts_up_for_a_bounded_time() {
    const ACCOUNTS: u8 = 24;
    let db = with_usage(ACCOUNTS.into()).await;
    let silence = Rule { key: "/".into(), on: On::Look, lie: Lie::Silence(!STORED), times: ALWAYS, told: 0 };
    let liar = Liar::before(&variable("BILLING_TEST_S3_ENDPOINT"), vec![silence]).await;
    let output = end(command(&db, &["--json"], &liar.endpoint)).await;
    assert!(liar.rules()[0].told > 0, "the fault was never hit");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let failed = report["failed"].as_array().unwrap();
    assert_eq!((failed.len(), &report["issued"]), (ACCOUNTS.into(), &0.into()), "{report}");
    for row in failed {
        let (account, reason) = (row["accountId"].as_str(), row["reason"].as_str().unwrap());
        assert!(account.is_some() && reason.contains("put_document"), "{row}");
    }
    assert!(!list_parked(&db).await.is_empty());
    assert_eq!(run(&db, &[]).await.status.code(), Some(0));
    let issued = db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await;
    assert_eq!(issued, i64::from(ACCOUNTS));
    assert_balanced(&db, usize::from(ACCOUNTS) * EVENTS_EACH).await;
}
