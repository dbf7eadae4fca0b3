//! `verify` on a real PostgreSQL and a real S3 server: what was tampered with is named, and nothing else is.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

#[path = "../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Output};

use billing_domain::invoicing::{Disposition, Percentage, TaxRate, VoidReason};
use billing_domain::ports::{AccountAdmin, AccountChange, AccountOutcome, ChangeOutcome, InvoiceVoider, PriceAdmin};
use billing_domain::pricing::Discount;
use billing_domain::{AccountId, InvoiceId};
use object_store::ObjectStoreExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use serde_json::{Value, json};
use support::{TestDatabase, account, action, day, price, usage};
use uuid::Uuid;

const PERIOD: &str = "2026-10";

fn variable(name: &str) -> String {
    let full = format!("BILLING_TEST_S3_{name}");
    std::env::var(&full).unwrap_or_else(|_| panic!("{full} is not set: run the tests by `cargo xtask test`"))
}

/// Overwrites and removes, as the service never does.
fn bucket() -> AmazonS3 {
    let builder = AmazonS3Builder::new().with_endpoint(variable("ENDPOINT")).with_allow_http(true);
    let builder = builder.with_region(variable("REGION")).with_bucket_name(variable("BUCKET"));
    builder
        .with_access_key_id(variable("ACCESS_KEY"))
        .with_secret_access_key(variable("SECRET_KEY"))
        .build()
        .expect("a client")
}

fn cron(db: &TestDatabase, arguments: &[&str], s3_endpoint: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invoice-cron"));
    command.env_clear().args(arguments).envs([
        ("BILLING_DATABASE_URL", db.url.as_str()),
        ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_test_worker"),
        ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", support::PASSWORD),
        ("BILLING_SECRET_S3_ACCESS_KEY", &variable("ACCESS_KEY")),
        ("BILLING_SECRET_S3_SECRET_KEY", &variable("SECRET_KEY")),
        ("BILLING_S3_ENDPOINT", s3_endpoint),
        ("BILLING_S3_REGION", &variable("REGION")),
        ("BILLING_S3_BUCKET", &variable("BUCKET")),
        ("BILLING_NATS_URLS", "nats://127.0.0.1:9"),
        ("BILLING_SELLER_NAME", "Ghasi"),
        ("BILLING_INVOICE_RETRY_MINUTES", "0"),
    ]);
    let output = command.output().expect("it runs");
    support::keep("invoice-cron", told(&output).as_bytes());
    output
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

fn bill(db: &TestDatabase, period: &str) {
    let output = cron(db, &["--period", period, "--allow-lag"], &variable("ENDPOINT"));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}

/// Exit code, by invoice the differences as `part field`, and the report.
fn verify(db: &TestDatabase, period: &str) -> (Option<i32>, BTreeMap<String, Vec<String>>, Value) {
    let output = cron(db, &["verify", "--period", period, "--json"], &variable("ENDPOINT"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let differing = report["differing"].as_array().unwrap().iter().map(|invoice| {
        let rows = invoice["differences"].as_array().unwrap();
        let rows = rows.iter().map(|row| format!("{} {}", text(&row["part"]), text(&row["field"]))).collect();
        (text(&invoice["invoiceId"]), rows)
    });
    (output.status.code(), differing.collect(), report)
}

/// Each account has five messages on two days at a price with a discount, and a tax.
async fn world(accounts: u128) -> TestDatabase {
    let db = TestDatabase::create().await;
    let mut new = price("STARTER", "*", "0.0125", "2026-01-01", None);
    new.terms.monthly.discount = Discount::from_basis_points(1_000).unwrap();
    let made = db.api.create_price(&new, &action("admin")).await.unwrap();
    assert!(matches!(made, ChangeOutcome::Done(_)), "{made:?}");
    let days = ["2026-10-05T08:00:00Z", "2026-10-06T08:00:00Z"];
    let messages: Vec<_> =
        (1..=accounts).flat_map(|number| (0..5).map(move |at| usage(account(number), days[at % 2]))).collect();
    db.record(&messages).await;
    for number in 1..=accounts {
        let mut change = AccountChange::none(account(number), day("2026-01-01"));
        change.legal_name = Some("Ghasi & Sons".into());
        change.tax_rates = Some(vec![TaxRate::new("VAT", Percentage::parse("10").unwrap()).unwrap()]);
        let outcome = db.api.change_account(&change, None, &action("admin")).await.unwrap();
        assert!(matches!(outcome, AccountOutcome::Done { .. }), "{outcome:?}");
    }
    db
}

async fn invoice_of(db: &TestDatabase, of: AccountId, month: &str) -> String {
    let query = "SELECT id::text FROM billing.invoices WHERE status <> 'VOID'";
    db.text(&format!("{query} AND period_start = '{month}-01' AND account_id = '{of}'")).await
}

/// What is done to an account's rows, and what must be told of its invoice. `$i` is the invoice, `$b` the bucket of its
/// first day.
const CORRUPTIONS: [(&str, &str, &[&str]); 13] = [
    (
        "an event's amount",
        "UPDATE billing.billing_events SET amount_micros = amount_micros + 1 WHERE message_id =
            (SELECT min(message_id::text)::uuid FROM billing.billing_events WHERE bucket_id = $b)",
        &["bucket amount", "bucket events' amount by its price", "line exact amount"],
    ),
    (
        "a bucket's sum",
        "UPDATE billing.usage_buckets SET amount_micros = amount_micros + 1 WHERE id = $b",
        &["bucket amount"],
    ),
    (
        "a line",
        "UPDATE billing.invoice_lines SET amount_minor = amount_minor + 1 WHERE invoice_id = '$i'",
        &["invoice sum of its parts", "line amount"],
    ),
    (
        "an event is in another bucket",
        "UPDATE billing.billing_events SET bucket_id =
                (SELECT max(id) FROM billing.usage_buckets WHERE sealed_by = '$i')
            WHERE message_id = (SELECT min(message_id::text)::uuid FROM billing.billing_events WHERE bucket_id = $b)",
        &[
            "bucket amount",
            "bucket amount",
            "bucket events of another bucket's key",
            "bucket messages",
            "bucket messages",
            "bucket segments",
            "bucket segments",
            "bucket units",
            "bucket units",
        ],
    ),
    (
        "an event is gone",
        "DELETE FROM billing.billing_events WHERE message_id =
            (SELECT min(message_id::text)::uuid FROM billing.billing_events WHERE bucket_id = $b)",
        &[
            "adjustment amount",
            "adjustment due",
            "adjustment units",
            "bucket amount",
            "bucket messages",
            "bucket segments",
            "bucket units",
            "invoice messages",
            "invoice segments",
            "invoice subtotal",
            "invoice total",
            "line amount",
            "line exact amount",
            "line messages",
            "line segments",
        ],
    ),
    ("a tax", "UPDATE billing.invoice_taxes SET amount_minor = 5 WHERE invoice_id = '$i'", &["tax amount"]),
    (
        "a tax's rate",
        "UPDATE billing.invoice_taxes SET rate = 500000 WHERE invoice_id = '$i'",
        &["invoice total", "tax amount"],
    ),
    ("the total", "UPDATE billing.invoices SET total_minor = 99 WHERE id = '$i'", &["invoice total"]),
    (
        "an adjustment",
        "UPDATE billing.invoice_adjustments SET due_minor = due_minor + 1 WHERE invoice_id = '$i'",
        &["adjustment due"],
    ),
    (
        "a row that cannot be read",
        "UPDATE billing.invoice_lines SET direction = 'XX' WHERE invoice_id = '$i'",
        &["invoice rows"],
    ),
    ("another object", "", &["document sha256"]),
    ("no object", "", &["document sha256"]),
    ("nothing", "", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_corruption_is_named_and_nothing_else() {
    let db = world(u128::try_from(CORRUPTIONS.len()).unwrap()).await;
    bill(&db, PERIOD);
    assert_eq!(verify(&db, PERIOD).0, Some(0));
    let mut expected = BTreeMap::new();
    for (number, (what, statement, told)) in (1..).zip(CORRUPTIONS) {
        let invoice = invoice_of(&db, account(number), PERIOD).await;
        let first = format!("SELECT min(id) FROM billing.usage_buckets WHERE sealed_by = '{invoice}'");
        let bucket_id = db.number(&first).await.to_string();
        let statement = statement.replace("$i", &invoice).replace("$b", &bucket_id);
        db.owner.batch_execute(&format!("SET session_replication_role = replica; {statement}")).await.unwrap();
        let key = Path::from(db.text(&format!("SELECT s3_key FROM billing.invoices WHERE id = '{invoice}'")).await);
        match what {
            "another object" => drop(bucket().put(&key, "not ours".into()).await.unwrap()),
            "no object" => bucket().delete(&key).await.unwrap(),
            _ => {}
        }
        if !told.is_empty() {
            expected.insert(invoice, told.iter().map(|told| (*told).to_owned()).collect::<Vec<_>>());
        }
    }
    let (code, mut found, report) = verify(&db, PERIOD);
    found.values_mut().for_each(|rows| rows.sort());
    assert_eq!((code, report["verified"].as_u64()), (Some(2), Some(u64::try_from(CORRUPTIONS.len()).unwrap())));
    for (invoice, told) in &expected {
        assert_eq!(found.get(invoice), Some(told), "{report:#}");
    }
    assert_eq!(found.len(), expected.len(), "{report:#}");

    // For a person, and of one account.
    let second = account(2).to_string();
    let arguments = ["verify", "--period", PERIOD, "--account-id", &second];
    let output = cron(&db, &arguments, &variable("ENDPOINT"));
    let text = told(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&format!("of account {second}: bucket ")), "{text}");
    assert!(text.contains("amount is stored as 0.075001, found as 0.075000"), "{text}");
    assert!(text.contains("2026-10: 1 invoices verified, 1 differ, in "), "{text}");
    assert!(text.contains("invoices to verify: 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_became_of_a_month_it_is_what_its_events_made_of_it() {
    let db = world(3).await;
    let september = |number| usage(account(number), "2026-09-07T08:00:00Z");
    db.record(&[september(1), september(2), september(3)]).await;
    bill(&db, "2026-09");
    // Late: on the invoices of October, less what September asked for.
    db.record(&[september(1), september(2), september(3)]).await;
    bill(&db, PERIOD);
    let assert_clean = |period, verified: u64| {
        let (code, _, report) = verify(&db, period);
        assert_eq!((code, &report["verified"]), (Some(0), &json!(verified)), "{report:#}");
    };
    assert_clean("2026-09", 3);
    assert_clean(PERIOD, 3);
    for (number, disposition) in [(2, Disposition::Rebill), (3, Disposition::Waive)] {
        let id = invoice_of(&db, account(number), "2026-09").await;
        let (id, reason) = (InvoiceId(Uuid::parse_str(&id).unwrap()), VoidReason::new("wrong").unwrap());
        let outcome = db.api.void(id, &reason, disposition, &action("finance")).await.unwrap();
        assert!(matches!(outcome, ChangeOutcome::Done(_)), "{outcome:?}");
    }
    // What October was made of is still what stood then.
    assert_clean("2026-09", 1);
    assert_clean(PERIOD, 3);
    bill(&db, PERIOD);
    assert_clean("2026-09", 2);
    assert_clean(PERIOD, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_look_says_why_and_ends_with_1() {
    let db = world(1).await;
    bill(&db, PERIOD);
    for (arguments, s3, code, expected) in [
        (&["verify"][..], variable("ENDPOINT"), 1, "--period"),
        (&["verify", "--period", "2026-13"], variable("ENDPOINT"), 1, "a month is written YYYY-MM"),
        (&["verify", "--period", PERIOD, "--dry-run"], variable("ENDPOINT"), 1, "--dry-run"),
        (&["verify", "--period", "2026-09"], variable("ENDPOINT"), 0, "2026-09: 0 invoices verified, 0 differ"),
        (&["verify", "--period", PERIOD], "http://127.0.0.1:9".into(), 1, "get_document failed"),
    ] {
        let output = cron(&db, arguments, &s3);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(expected), "{arguments:?}: {}", told(&output));
    }
}
