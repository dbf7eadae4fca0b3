//! Traces of the run: one of the run, and one of each account, down to the database and the store.

use crate::collector::Collector;
use crate::{command, end, told, variable, with_usage};

#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_a_trace_that_is_linked_to_the_runs() {
    let (db, collector) = (with_usage(2).await, Collector::start().await);
    let mut run = command(&db, &[], &variable("BILLING_TEST_S3_ENDPOINT"));
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let output = end(run).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));

    // All of it was sent before the run ended.
    let spans = collector.spans();
    let of = |trace: &str, name: &str| spans.iter().filter(|span| span.trace == trace && span.name == name).count();
    let run = spans.iter().find(|span| span.name == "invoice run").expect("a span of the run");
    assert_eq!((run.service.as_str(), run.parent.as_str(), run.is_error), ("billing-invoice-cron", "", false));
    assert_eq!(of(&run.trace, "begin_run"), 1);
    let accounts: Vec<_> = spans.iter().filter(|span| span.name == "bill account").collect();
    assert_eq!(accounts.len(), 2, "{spans:#?}");
    for account in accounts {
        assert_eq!((account.parent.as_str(), &account.links), ("", &vec![run.trace.clone()]));
        for part in ["draft_invoice", "finish_invoice", "render_invoice", "s3 put_document", "finalize_invoice"] {
            assert!(of(&account.trace, part) > 0, "{part} in {spans:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_dead_changes_no_invoice() {
    let (db, collector) = (with_usage(1).await, Collector::dead().await);
    let mut run = command(&db, &[], &variable("BILLING_TEST_S3_ENDPOINT"));
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let output = end(run).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(collector.connections() > 0);
    assert_eq!(db.number("SELECT count(*) FROM billing.invoices WHERE status = 'FINALIZED'").await, 1);
}
