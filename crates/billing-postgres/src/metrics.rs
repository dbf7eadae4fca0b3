//! The metrics of the database: their names, and their series, which are there at 0 from the start.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// Attempts that failed, tried again or not, by operation.
pub(crate) const ERRORS: &str = "billing_pg_errors_total";
/// How long attempts took, by operation.
pub(crate) const SECONDS: &str = "billing_pg_transaction_seconds";
/// Whether reads may go to the replica.
pub(crate) const REPLICA_FRESH: &str = "billing_pg_replica_fresh";

/// Every transaction's name.
const OPERATIONS: [&str; 85] = [
    "apply_deck",
    "begin_run",
    "change_account",
    "check_stream",
    "correct_price",
    "count_default_partition",
    "count_unrated",
    "count_unrated_by_account",
    "create_cost",
    "create_price",
    "detach_partition",
    "discard_quarantined",
    "draft_invoice",
    "end_cost",
    "end_price",
    "end_replay",
    "end_run",
    "export_usage",
    "fill_costs",
    "finalize_invoice",
    "find_account",
    "find_cost",
    "find_credit_note",
    "find_invoice",
    "find_price",
    "find_prices",
    "find_quarantined",
    "find_usage",
    "keep_quarantined",
    "learn_accounts",
    "list_accounts",
    "list_billable",
    "list_corrections",
    "list_costs",
    "list_gaps",
    "list_invoices",
    "list_parked",
    "list_partitions",
    "list_prices",
    "list_quarantined",
    "list_standing",
    "list_uncosted",
    "list_unfinished",
    "list_unpublished",
    "list_waiting",
    "list_waiting_groups",
    "list_waiting_replays",
    "load_accounts",
    "load_price_book",
    "mark_credit_note_stored",
    "mark_published",
    "move_from_default",
    "note_read",
    "open_quarantined",
    "park_invoice",
    "pin_invoice",
    "pin_snapshot",
    "prepare_partitions",
    "preview_correction",
    "preview_deck",
    "preview_invoice",
    "preview_void",
    "prove_invoice",
    "purge",
    "read_accounts_version",
    "read_book_version",
    "read_credit_note",
    "read_margins",
    "read_record",
    "read_usage",
    "record_credit_note",
    "record_pdf",
    "record_usage",
    "recorded_floor",
    "refuse_waiting",
    "request_replay",
    "rerate_usage",
    "settle_replay",
    "show_quarantined",
    "sum_runs",
    "summarise_unrated",
    "supersede_cost",
    "supersede_price",
    "tally_events",
    "void_invoice",
];

/// Describes the metrics and begins every series at 0. A binary calls it once its recorder is installed.
pub fn register_metrics() {
    describe_counter!(ERRORS, Unit::Count, "Attempts of a transaction that failed, tried again or not, by operation");
    describe_histogram!(SECONDS, Unit::Seconds, "How long attempts of a transaction took, by operation");
    describe_gauge!(
        REPLICA_FRESH,
        Unit::Count,
        "1 when reads may go to the replica, 0 when it is down or > 2 s behind"
    );
    for operation in OPERATIONS {
        counter!(ERRORS, "op" => operation).increment(0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_transaction_is_listed() {
        let mut named = Vec::new();
        collect(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut named);
        named.sort();
        assert_eq!(named, OPERATIONS);
    }

    fn collect(folder: &Path, named: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, named);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().strip_prefix("const NAME: &'static str = \""));
            named.extend(names.filter_map(|rest| rest.strip_suffix("\";")).map(str::to_owned));
        }
    }
}
