//! The outbox's way to the stream, and the cron's way to the metrics: its pod is gone before it is scraped.

use std::time::Duration;

use billing_domain::ports::{Clock, Outbox};
use billing_nats::{INVOICE_STREAM, INVOICE_SUBJECTS, InvoicePublisher, OutboxMessage, STREAM};
use billing_runtime::{Backoff, Shutdown, TraceParent, chain, continue_trace};
use tracing::Instrument as _;

use crate::metrics;

const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
const BATCH: u32 = 200;

/// Publishes what waits in the outbox, oldest first. Every pod does: the stream keeps one of two messages with one
/// id, and an entry is crossed off only after the stream has taken it.
pub(crate) async fn relay_outbox(
    outbox: impl Outbox,
    publisher: InvoicePublisher,
    clock: impl Clock,
    shutdown: Shutdown,
) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    let mut has_stream = false;
    loop {
        let relayed = relay(&outbox, &publisher, &clock, &mut has_stream).await;
        let wait = match relayed {
            Ok(count) => {
                backoff.reset();
                if count == BATCH { Duration::ZERO } else { LOOK_EVERY }
            }
            Err(error) => {
                has_stream = false;
                tracing::warn!(error = chain(error.as_ref()), "events about invoices wait in the outbox");
                backoff.next_wait()
            }
        };
        if shutdown.sleep(wait).await {
            return;
        }
    }
}

async fn relay(
    outbox: &impl Outbox,
    publisher: &InvoicePublisher,
    clock: &impl Clock,
    has_stream: &mut bool,
) -> anyhow::Result<u32> {
    let waiting = outbox.unpublished(BATCH).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    if !*has_stream {
        publisher.set_up(INVOICE_STREAM, INVOICE_SUBJECTS, STREAM).await?;
        *has_stream = true;
    }
    let mut published = Vec::with_capacity(waiting.len());
    let mut failed = None;
    for entry in &waiting {
        let message = OutboxMessage::of(entry)?;
        let span =
            tracing::info_span!("publish", otel.name = format!("publish {}", message.subject), otel.kind = "producer");
        if let Some(caller) = message.traceparent.as_deref().and_then(TraceParent::parse) {
            continue_trace(&span, &caller);
        }
        match publisher.publish(message).instrument(span).await {
            Ok(()) => published.push(entry.position),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    outbox.mark_published(&published, clock.now()).await?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(u32::try_from(published.len()).unwrap_or(BATCH)),
    }
}

/// Keeps the cron's metrics up to date.
pub(crate) async fn export_runs(outbox: impl Outbox, shutdown: Shutdown) {
    const EVERY: Duration = Duration::from_secs(15);
    loop {
        match outbox.run_totals().await {
            Ok(totals) => metrics::set_runs(&totals),
            Err(error) => tracing::debug!(error = chain(&error), "the cron's runs could not be read"),
        }
        if shutdown.sleep(EVERY).await {
            return;
        }
    }
}
