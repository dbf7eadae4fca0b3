//! The figures of the run.

use std::path::Path;

use anyhow::Result;

use super::Args;
use super::run::Measured;
use super::verify::Documents;
use crate::bench::figures::{self, Line, figure, thousandths};

/// Prints the table and writes the JSON.
pub(crate) fn tell(args: &Args, measured: &Measured, documents: Documents, file: &Path) -> Result<()> {
    let parallel = args.parallel.map_or("default".to_owned(), |parallel| parallel.to_string());
    let setting = format!(
        "{} accounts, 5 operators, 31 days; PostgreSQL with fsync and the object store on this machine; side by side: \
         {parallel}; {} documents read back and compared",
        args.accounts, documents.number
    );
    figures::tell(&setting, &lines(measured, documents), file)
}

fn lines(measured: &Measured, documents: Documents) -> Vec<Line> {
    let Measured { invoices, wall, peak_kib, run_ms, postgres_ms, s3_ms, spent } = *measured;
    let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = invoices * 1_000_000 / wall_ms;
    let peak = peak_kib / 1_024;
    let share = |part: u64| part * 1_000 / spent.accounts.max(1);
    let outside = 1_000_u64.saturating_sub(share(spent.rendering) + share(spent.database));
    let each = |ms: u64| ms * 1_000 / invoices.max(1);
    vec![
        thousandths(
            "finalised, from start to end of the program",
            rate,
            "invoices/s",
            Some(("≥ 100", rate >= 100_000)),
        ),
        thousandths("that took", wall_ms, "s", None),
        figure("most memory of invoice-cron", peak, "MiB", Some(("≤ 256", peak <= 256))),
        thousandths("outside typst and SQL", outside, "of the time", Some(("≤ 0.150", outside <= 150))),
        thousandths("  rendering", share(spent.rendering), "of the time", None),
        thousandths("  transactions", share(spent.database), "of the time", None),
        thousandths("  object store", share(spent.storing), "of the time", None),
        thousandths("an invoice, from draft to issued", spent.accounts / invoices.max(1), "s", None),
        thousandths("processor time, invoice-cron", each(run_ms), "ms per invoice", None),
        thousandths("processor time, PostgreSQL", each(postgres_ms), "ms per invoice", None),
        thousandths("processor time, object store", each(s3_ms), "ms per invoice", None),
        figure("document", documents.bytes / documents.number.max(1), "bytes", None),
    ]
}
