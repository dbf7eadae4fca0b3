//! Every metric of ingest: its name, what it says, and its series, which are there at 0 from the start.

use std::collections::BTreeMap;
use std::time::Duration;

use billing_domain::ports::{Purged, Recorded, RunResult, RunTotals};
use billing_domain::usage::QuarantineReason;
use billing_domain::use_cases::BookSource;
use billing_runtime::Histogram;
use jiff::SignedDuration;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const INGESTED: &str = "billing_events_ingested_total";
const INGESTION_LATENCY: &str = "billing_events_ingestion_latency_seconds";
const RESOLVED: &str = "billing_pricing_resolve_total";
const RESOLVE_LATENCY: &str = "billing_pricing_resolve_latency_seconds";
const LAG: &str = "billing_nats_consumer_lag";
const NATS_REACHABLE: &str = "billing_nats_reachable";
const OLDEST_PENDING: &str = "billing_oldest_pending_seconds";
const UNRATED: &str = "billing_unrated_events";
const QUARANTINED: &str = "billing_quarantined_total";
const NEGATIVE_MARGIN: &str = "billing_negative_margin_total";
const COST_NOT_FOUND: &str = "billing_cost_not_found_total";
const CRON: &str = "billing_invoice_cron_total";
const CRON_ACCOUNTS: &str = "billing_invoice_cron_accounts_total";
const CRON_DURATION: &str = "billing_invoice_cron_duration_seconds";
const SYNCHRONOUS_STANDBY: &str = "billing_pg_synchronous_standby";
const IN_DEFAULT: &str = "billing_events_default_partition_rows";
const GAP_MESSAGES: &str = "billing_stream_gap_messages_total";
const PURGED: &str = "billing_purged_total";

const RESULTS: [&str; 5] = ["ok", "duplicate", "pricing_not_found", "quarantined", "error"];
const SOURCES: [BookSource; 3] = [BookSource::Memory, BookSource::Cache, BookSource::Db];

/// The histograms and their buckets, in seconds.
pub(crate) const HISTOGRAMS: [Histogram; 2] = [
    // Up to the stream's retention of two days; 30 s is the objective.
    Histogram {
        name: INGESTION_LATENCY,
        bounds: &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0],
    },
    // Memory answers in microseconds; 5 ms and 50 ms are the objectives of cache and database.
    Histogram {
        name: RESOLVE_LATENCY,
        bounds: &[0.000_001, 0.000_01, 0.000_1, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0],
    },
];

/// Describes every metric and begins every series at 0.
pub(crate) fn register() {
    describe_counter!(
        INGESTED,
        Unit::Count,
        "Messages from the stream, by what became of them; redeliveries not counted"
    );
    describe_histogram!(INGESTION_LATENCY, Unit::Seconds, "From published on the stream to committed");
    describe_counter!(
        RESOLVED,
        Unit::Count,
        "Messages priced by the book in memory; books fetched from cache or database"
    );
    describe_histogram!(RESOLVE_LATENCY, Unit::Seconds, "One message priced from memory; one book fetched otherwise");
    describe_gauge!(LAG, Unit::Count, "Messages not recorded yet, over all pods: pending and unacknowledged");
    describe_gauge!(NATS_REACHABLE, Unit::Count, "1 when stream and consumer answered when they were last looked at");
    describe_gauge!(OLDEST_PENDING, Unit::Seconds, "Age of the oldest message that is not recorded yet; 0: none waits");
    describe_gauge!(UNRATED, Unit::Count, "Messages that wait for a price or their account, over all pods");
    describe_counter!(QUARANTINED, Unit::Count, "Messages set aside, by reason; redeliveries not counted");
    describe_counter!(NEGATIVE_MARGIN, Unit::Count, "Messages priced below the operator's cost");
    describe_counter!(
        COST_NOT_FOUND,
        Unit::Count,
        "Messages priced while no operator cost was in force; costed later by themselves"
    );
    describe_gauge!(
        SYNCHRONOUS_STANDBY,
        Unit::Count,
        "1 when a synchronous standby confirms each commit; 0: a failover can lose acknowledged messages"
    );
    describe_gauge!(
        IN_DEFAULT,
        Unit::Count,
        "Rated events in the DEFAULT partition, because they are too many to be moved"
    );
    describe_counter!(
        GAP_MESSAGES,
        Unit::Count,
        "Messages that were on the stream and never recorded; every pod tells the same number"
    );
    describe_counter!(PURGED, Unit::Count, "Rows, or bytes of messages, removed for their age, by what they were");
    describe_counter!(CRON, Unit::Count, "Runs of the invoice cron, by result; every pod tells the same number");
    describe_counter!(CRON_ACCOUNTS, Unit::Count, "What became of the accounts of all runs; every pod tells the same");
    describe_gauge!(CRON_DURATION, Unit::Seconds, "How long the last run took");
    describe_counter!(billing_redis::ERRORS_METRIC, Unit::Count, "Failures of the price cache, by operation");
    for result in RESULTS {
        counter!(INGESTED, "result" => result).increment(0);
    }
    for source in SOURCES {
        counter!(RESOLVED, "source" => source.name()).increment(0);
        let _empty = histogram!(RESOLVE_LATENCY, "source" => source.name());
    }
    for reason in QuarantineReason::ALL {
        counter!(QUARANTINED, "reason" => reason.name()).increment(0);
    }
    for op in billing_redis::ERROR_OPS {
        counter!(billing_redis::ERRORS_METRIC, "op" => op).increment(0);
    }
    counter!(NEGATIVE_MARGIN).increment(0);
    counter!(COST_NOT_FOUND).increment(0);
    billing_postgres::register_metrics();
    let _empty = histogram!(INGESTION_LATENCY);
    set_runs(&RunTotals::default());
    set_gap_messages(0);
    count_purged(&Purged::default());
    for name in [LAG, NATS_REACHABLE, OLDEST_PENDING, UNRATED, SYNCHRONOUS_STANDBY, IN_DEFAULT] {
        gauge!(name).set(0);
    }
}

/// A batch was recorded.
pub(crate) fn count_recorded(recorded: &Recorded) {
    let quarantined: u64 = recorded.quarantined.values().sum();
    for (result, count) in [
        ("ok", recorded.rated),
        ("duplicate", recorded.duplicates),
        ("pricing_not_found", recorded.unrated),
        ("quarantined", quarantined + recorded.conflicts),
    ] {
        counter!(INGESTED, "result" => result).increment(count);
    }
    count_quarantined(&recorded.quarantined);
    counter!(QUARANTINED, "reason" => QuarantineReason::Conflict.name()).increment(recorded.conflicts);
    count_losses(recorded.negative_margin);
    counter!(COST_NOT_FOUND).increment(recorded.uncosted);
}

/// So many messages turned out to be priced below the operator's cost, at once or when price or cost came later.
pub(crate) fn count_losses(messages: u64) {
    counter!(NEGATIVE_MARGIN).increment(messages);
}

/// Messages were quarantined: those of a batch, or some that waited, which were counted as received when they came.
pub(crate) fn count_quarantined(quarantined: &BTreeMap<QuarantineReason, u64>) {
    for (reason, count) in quarantined {
        counter!(QUARANTINED, "reason" => reason.name()).increment(*count);
    }
}

/// A batch could not be recorded at the first attempt.
pub(crate) fn count_failed(messages: usize) {
    counter!(INGESTED, "result" => "error").increment(u64::try_from(messages).unwrap_or(u64::MAX));
}

/// How long messages took from the stream to the commit.
pub(crate) fn time_ingestion(latencies: impl IntoIterator<Item = SignedDuration>) {
    let histogram = histogram!(INGESTION_LATENCY);
    for latency in latencies {
        histogram.record(latency.max(SignedDuration::ZERO).as_secs_f64());
    }
}

/// So many messages were priced from memory within that time.
pub(crate) fn count_priced(messages: usize, took: Duration) {
    let source = BookSource::Memory.name();
    let Some(each) = u32::try_from(messages).ok().and_then(|messages| took.checked_div(messages)) else { return };
    counter!(RESOLVED, "source" => source).increment(u64::try_from(messages).unwrap_or(u64::MAX));
    histogram!(RESOLVE_LATENCY, "source" => source).record_many(each.as_secs_f64(), messages);
}

/// A book was asked for. That the one in memory is current is no resolution.
pub(crate) fn count_book(source: BookSource, took: Duration) {
    if source != BookSource::Memory {
        counter!(RESOLVED, "source" => source.name()).increment(1);
        histogram!(RESOLVE_LATENCY, "source" => source.name()).record(took);
    }
}

/// How many messages are not recorded yet.
pub(crate) fn set_lag(messages: u64) {
    gauge!(LAG).set(gauge_value(messages));
}

/// Whether stream and consumer can be asked.
pub(crate) fn set_nats_reachable(is_reachable: bool) {
    gauge!(NATS_REACHABLE).set(u32::from(is_reachable));
}

/// How long the oldest message has waited, if one waits.
pub(crate) fn set_oldest_pending(age: Option<SignedDuration>) {
    gauge!(OLDEST_PENDING).set(age.unwrap_or_default().max(SignedDuration::ZERO).as_secs_f64());
}

/// How many messages wait to be rated.
pub(crate) fn set_unrated(messages: u64) {
    gauge!(UNRATED).set(gauge_value(messages));
}

/// What the runs of the cron came to, from the beginning.
pub(crate) fn set_runs(totals: &RunTotals) {
    let results = [RunResult::Ok, RunResult::Partial, RunResult::Error];
    for (result, runs) in results.into_iter().zip(totals.runs) {
        counter!(CRON, "result" => result.name()).absolute(runs);
    }
    let accounts = totals.accounts;
    for (result, count) in [("ok", accounts.invoiced), ("failed", accounts.failed), ("skipped", accounts.skipped)] {
        counter!(CRON_ACCOUNTS, "result" => result).absolute(count);
    }
    gauge!(CRON_DURATION).set(gauge_value(totals.last_seconds));
}

/// Whether commits are confirmed by a standby.
pub(crate) fn set_synchronous_standby(is_there: bool) {
    gauge!(SYNCHRONOUS_STANDBY).set(u32::from(is_there));
}

/// How many events are in the DEFAULT partition and stay there.
pub(crate) fn set_in_default(events: u64) {
    gauge!(IN_DEFAULT).set(gauge_value(events));
}

/// How many messages were ever found missing.
pub(crate) fn set_gap_messages(messages: u64) {
    counter!(GAP_MESSAGES).absolute(messages);
}

/// Things were removed for their age.
pub(crate) fn count_purged(purged: &Purged) {
    for (what, count) in [
        ("claims", purged.claims),
        ("duplicates", purged.duplicates),
        ("quarantined_bytes", purged.raw),
        ("outbox", purged.outbox),
        ("idempotency_keys", purged.keys),
    ] {
        counter!(PURGED, "what" => what).increment(count);
    }
}

fn gauge_value(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
