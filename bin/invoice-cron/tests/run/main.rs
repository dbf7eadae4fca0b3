//! The real program against a real PostgreSQL and a real S3 server: killed anywhere, run twice, run side by side, lied to
//! by the store. After each fault the books are balanced by sums of their own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

#[path = "../../../../crates/billing-postgres/tests/support/mod.rs"]
mod support;

#[path = "../../../../crates/billing-runtime/tests/collector/mod.rs"]
mod collector;

mod books;
mod liar;

mod crowd;
mod lies;
mod logins;
mod months;
mod traces;

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use billing_domain::invoicing::{Party, object_key};
use billing_domain::ports::{
    ChangeOutcome, DocumentStore, DraftOutcome, InvoiceRenderer, InvoiceStore, InvoiceVoider, PinRequest,
};
use billing_domain::use_cases::due;
use billing_domain::{InvoiceId, Month};
use billing_s3::{Addressing, S3Config, S3Credentials, S3Documents};
use billing_typst::TypstRenderer;
use sha2::{Digest, Sha256};
use support::{TestDatabase, account, action, day, now, usage};

const PERIOD: &str = "2026-10";
/// Longer than every time limit of a step together; far shorter than one for each of many accounts.
const RUN_MAX: Duration = Duration::from_secs(110);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `cargo xtask test`"))
}

fn documents() -> S3Documents {
    let config = S3Config {
        endpoint: variable("BILLING_TEST_S3_ENDPOINT"),
        region: variable("BILLING_TEST_S3_REGION"),
        bucket: variable("BILLING_TEST_S3_BUCKET"),
        addressing: Addressing::Path,
        ca_pem: Vec::new(),
    };
    let credentials = S3Credentials {
        access_key: variable("BILLING_TEST_S3_ACCESS_KEY"),
        secret_key: variable("BILLING_TEST_S3_SECRET_KEY"),
    };
    S3Documents::new(&config, &credentials).expect("a client")
}

fn command(db: &TestDatabase, arguments: &[&str], s3_endpoint: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invoice-cron"));
    if !arguments.contains(&"--period") {
        command.args(["--period", PERIOD]);
    }
    command.env_clear().arg("--allow-lag").args(arguments).envs([
        ("BILLING_DATABASE_URL", db.url.as_str()),
        ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_test_worker"),
        ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", support::PASSWORD),
        ("BILLING_SECRET_S3_ACCESS_KEY", &variable("BILLING_TEST_S3_ACCESS_KEY")),
        ("BILLING_SECRET_S3_SECRET_KEY", &variable("BILLING_TEST_S3_SECRET_KEY")),
        ("BILLING_S3_ENDPOINT", s3_endpoint),
        ("BILLING_S3_REGION", &variable("BILLING_TEST_S3_REGION")),
        ("BILLING_S3_BUCKET", &variable("BILLING_TEST_S3_BUCKET")),
        ("BILLING_NATS_URLS", "nats://127.0.0.1:9"),
        ("BILLING_SELLER_NAME", "Ghasi"),
        ("BILLING_SELLER_ADDRESS", "Street 4|Kabul"),
        ("BILLING_INVOICE_RETRY_MINUTES", "0"),
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(db: &TestDatabase, arguments: &[&str]) -> Output {
    end(command(db, arguments, &variable("BILLING_TEST_S3_ENDPOINT"))).await
}

/// Runs it to its end, which comes in bounded time whatever is away.
async fn end(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    let ended = tokio::time::timeout(RUN_MAX, command.kill_on_drop(true).output()).await;
    let output = ended.expect("the run ends in bounded time").expect("it starts");
    support::keep("invoice-cron", told(&output).as_bytes());
    output
}

fn spawn(db: &TestDatabase, arguments: &[&str]) -> Child {
    command(db, arguments, &variable("BILLING_TEST_S3_ENDPOINT")).spawn().expect("it starts")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

async fn with_usage(accounts: u128) -> TestDatabase {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.0125").await;
    let messages: Vec<_> =
        (1..=accounts).flat_map(|a| (0..5).map(move |_| usage(account(a), "2026-10-05T08:00:00Z"))).collect();
    db.record(&messages).await;
    db
}

/// What `parked --json` lists.
async fn list_parked(db: &TestDatabase) -> Vec<serde_json::Value> {
    let run = command(db, &[], "http://127.0.0.1:9");
    let mut command = Command::new(run.get_program());
    command.args(["parked", "--json"]).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// One FINALIZED invoice for each account, numbers without gaps, each object with the recorded hash, one event each.
async fn assert_issued(db: &TestDatabase, accounts: i64) {
    let count = |query: &'static str| db.number(query);
    assert_eq!(count("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await, accounts);
    assert_eq!(count("SELECT count(*) FROM billing.invoices").await, accounts);
    assert_eq!(count("SELECT last FROM billing.number_series").await, accounts);
    assert_eq!(count("SELECT count(DISTINCT number) FROM billing.invoices").await, accounts);
    assert_eq!(count("SELECT count(*) FROM billing.outbox").await, accounts);
    assert_eq!(count("SELECT count(*) FROM billing.usage_buckets WHERE sealed_by IS NULL").await, 0);
    let documents = documents();
    for row in db.owner.query("SELECT s3_key, pdf_sha256 FROM billing.invoices", &[]).await.expect("rows") {
        let bytes = documents.get(row.get(0)).await.expect("S3 answers").expect("the object is there");
        assert_eq!(Sha256::digest(&bytes).as_slice(), row.get::<_, Vec<u8>>(1));
    }
}

/// The boundaries between two steps, at each of which a run may be killed: what stands after each differs from what stood
/// before. Sealing and drafting are one transaction; what was rendered and not recorded leaves nothing. The event's way to
/// the stream is a pod's work, killed in its own tests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Sealed,
    Numbered,
    Recorded,
    Put,
    Finalized,
}

/// Does the first steps as a run would, and stops there as one that was killed.
async fn die_after(db: &TestDatabase, step: Step) -> InvoiceId {
    let period = Month::parse(PERIOD).unwrap();
    let billable = db.worker.billable(period, None).await.unwrap();
    let request = due(&billable[0], period, now()).remove(0);
    assert_eq!(db.worker.draft(&request).await.unwrap(), DraftOutcome::Drafted(request.id));
    if step < Step::Numbered {
        return request.id;
    }
    let seller = Party { name: "Ghasi".into(), address: vec!["Street 4".into()], tax_id: None };
    let pin = PinRequest {
        issue_date: day("2026-11-01"),
        due_date: day("2026-12-01"),
        seller,
        template: TypstRenderer::TEMPLATE,
    };
    let document = db.worker.pin(request.id, &pin).await.unwrap().unwrap();
    let key = object_key(document.invoice.account, document.invoice.period, request.id);
    let rendered = TypstRenderer::new().unwrap().render(document).await.unwrap();
    if step >= Step::Recorded {
        db.worker.record_pdf(request.id, rendered.sha256).await.unwrap();
    }
    if step >= Step::Put {
        documents().put(&key, &rendered).await.unwrap();
    }
    if step >= Step::Finalized {
        db.worker.finalize(request.id, now()).await.unwrap();
    }
    request.id
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_steps_a_rerun_finishes() {
    for step in [Step::Sealed, Step::Numbered, Step::Recorded, Step::Put, Step::Finalized] {
        let db = with_usage(1).await;
        let invoice = die_after(&db, step).await;
        for _ in 0..2 {
            let output = run(&db, &[]).await;
            assert_eq!(output.status.code(), Some(0), "after {step:?}: {}", told(&output));
        }
        assert_issued(&db, 1).await;
        let issued = db.text("SELECT id::text FROM billing.invoices").await;
        assert_eq!(issued, invoice.to_string(), "after {step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_by_the_system_at_any_moment_a_rerun_finishes() {
    let db = with_usage(30).await;
    for delay_ms in [60, 120, 180, 240, 300, 400] {
        let mut child = spawn(&db, &[]);
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        child.kill().expect("SIGKILL");
        child.wait().expect("it is gone");
    }
    let output = run(&db, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_issued(&db, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_issue_each_invoice_once_and_a_third_changes_nothing() {
    let db = with_usage(25).await;
    let (a, b) = tokio::join!(run(&db, &[]), run(&db, &[]));
    for output in [&a, &b] {
        assert_eq!(output.status.code(), Some(0), "{}", told(output));
    }
    assert_issued(&db, 25).await;
    let before = db.text("SELECT string_agg(i::text, ',' ORDER BY id) FROM billing.invoices i").await;
    let third = run(&db, &["--json"]).await;
    let report: serde_json::Value = serde_json::from_slice(&third.stdout).expect("JSON");
    assert_eq!((third.status.code(), &report["issued"]), (Some(0), &serde_json::json!(0)));
    assert_eq!(db.text("SELECT string_agg(i::text, ',' ORDER BY id) FROM billing.invoices i").await, before);
    assert_eq!(db.number("SELECT count(*) FROM billing.invoice_runs WHERE result = 'ok'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_s3_invoices_stay_drafts_with_a_reason_and_a_rerun_finishes_them() {
    let db = with_usage(3).await;
    let output = end(command(&db, &[], "http://127.0.0.1:9")).await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let parked = "SELECT count(*) FROM billing.invoices WHERE status = 'DRAFT' AND number IS NOT NULL
        AND pdf_sha256 IS NOT NULL AND parked_reason IS NOT NULL";
    assert_eq!(db.number(parked).await, 3);
    assert_eq!(db.number("SELECT count(*) FROM billing.invoice_runs WHERE result = 'partial'").await, 1);
    let numbers = db.text("SELECT string_agg(id::text || number, ',' ORDER BY id) FROM billing.invoices").await;
    let (since, listed) = (db.text("SELECT min(parked_at)::text FROM billing.invoices").await, list_parked(&db).await);
    assert_eq!(listed.len(), 3);
    for row in &listed {
        assert!(row["reason"].as_str().unwrap().contains("put_document"), "{row}");
        assert!(row["invoiceNumber"].as_str().unwrap().starts_with("INV-2026-"), "{row}");
        assert!(row["parkedSince"].is_string() && row["period"] == PERIOD && row["currency"] == "USD", "{row}");
    }
    // Tried again in vain: since when it is parked stays, and who looks changes nothing.
    let again = command(&db, &[], "http://127.0.0.1:9").output().expect("it runs");
    assert_eq!(again.status.code(), Some(2), "{}", told(&again));
    assert_eq!(
        (db.text("SELECT min(parked_at)::text FROM billing.invoices").await, list_parked(&db).await),
        (since, listed)
    );
    assert_eq!(run(&db, &[]).await.status.code(), Some(0));
    assert!(list_parked(&db).await.is_empty());
    assert_issued(&db, 3).await;
    assert_eq!(db.text("SELECT string_agg(id::text || number, ',' ORDER BY id) FROM billing.invoices").await, numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_at_the_key_stops_that_account_only() {
    let db = with_usage(2).await;
    let invoice = die_after(&db, Step::Recorded).await;
    let key = db.text(&format!("SELECT s3_key FROM billing.invoices WHERE id = '{invoice}'")).await;
    let foreign = b"not ours".to_vec();
    let sha256 = Sha256::digest(&foreign).into();
    documents().put(&key, &billing_domain::ports::RenderedDocument { bytes: foreign.clone(), sha256 }).await.unwrap();
    let output = run(&db, &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("another object is stored at the invoice's key"), "{}", told(&output));
    assert_eq!(documents().get(&key).await.unwrap(), Some(foreign));
    assert_eq!(db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await, 1);
    // It cannot be finished, so it is voided, and the usage is billed anew under the next number.
    let reason = billing_domain::invoicing::VoidReason::new("document lost").unwrap();
    let voided = db.api.void(invoice, &reason, Default::default(), &action("finance")).await.unwrap();
    assert!(matches!(voided, ChangeOutcome::Done(_)));
    assert_eq!(run(&db, &[]).await.status.code(), Some(0));
    assert_eq!(db.text("SELECT max(number) FROM billing.invoices").await, "INV-2026-000003");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_everything_and_writes_nothing() {
    let db = with_usage(2).await;
    let output = run(&db, &["--dry-run"]).await;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("0.13 USD, 1 lines, 5 messages") && text.contains("nothing was written"), "{text}");
    assert!(text.contains("no legal name is known, its id is printed"), "{text}");
    assert_eq!(
        db.number("SELECT (SELECT count(*) FROM billing.invoices) + (SELECT count(*) FROM billing.invoice_runs)").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unrated_usage_is_told_and_held_on_demand() {
    let db = with_usage(2).await;
    let mut waiting = usage(account(1), "2026-10-06T08:00:00Z");
    waiting.1.direction = billing_domain::usage::Direction::Mo;
    db.record(&[waiting]).await;
    let one = account(1).to_string();
    let output = run(&db, &["--hold-unrated", "--json"]).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["held"], serde_json::json!([one]));
    assert_eq!(report["unrated"], serde_json::json!([{ "accountId": one, "messages": 1 }]));
    assert_eq!((report["issued"].as_u64(), output.status.code()), (Some(1), Some(0)));
    assert_eq!(run(&db, &[]).await.status.code(), Some(0));
    assert_eq!(db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_nothing_but_unrated_usage_is_told() {
    let db = with_usage(1).await;
    let mut waiting = usage(account(2), "2026-10-06T08:00:00Z");
    waiting.1.direction = billing_domain::usage::Direction::Mo;
    db.record(&[waiting]).await;
    let output = run(&db, &["--json"]).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let two = account(2).to_string();
    assert_eq!(report["unrated"], serde_json::json!([{ "accountId": two, "messages": 1 }]));
    assert_eq!((report["issued"].as_u64(), output.status.code()), (Some(1), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_says_why_and_ends_with_1() {
    let db = TestDatabase::create().await;
    for (arguments, code, expected) in [
        (&["--period", "9998-01"][..], 1, "9998-01 is not over yet"),
        (&["--period", "2026-13"], 1, "a month is written YYYY-MM"),
        (&["--account-id", "7"], 1, "an account id is a UUID"),
        (&["--nonsense"], 1, "--nonsense"),
        (&["--period", "2026-09"], 0, "2026-09: 0 issued"),
    ] {
        let mut command = command(&db, &[], &variable("BILLING_TEST_S3_ENDPOINT"));
        let mut bare = Command::new(command.get_program());
        bare.args(["--allow-lag"]).args(arguments).env_clear();
        bare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = bare;
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(expected), "{arguments:?}: {}", told(&output));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_invoice-cron")).env_clear().output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("BILLING_SELLER_NAME is not set"), "{}", told(&output));
}
