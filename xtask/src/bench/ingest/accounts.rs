//! Whether an event costs the same however many accounts there are.

use anyhow::Result;

use super::Args;
use super::drain::drain_and_verify;
use super::report::Report;
use super::stage::Stage;
use super::traffic::{OPERATORS, Traffic};

/// Few and many.
pub(crate) const ACCOUNTS: [u32; 2] = [1, 5_000];

/// Drains a part of the backlog for each number of accounts, in turn. The day's first event of each account and operator
/// makes its bucket, and a day has many: that is done before the clock starts, by the process that is then measured.
pub(crate) async fn measure(args: &Args, stage: &Stage, report: &mut Report) -> Result<()> {
    for _ in 0..args.rounds {
        for (place, accounts) in ACCOUNTS.into_iter().enumerate() {
            let mut traffic = Traffic::new(accounts, rand::random());
            // A few more than the first round, for some come twice.
            let warm = u64::from(accounts) * u64::try_from(OPERATORS.len())? * 103 / 100;
            let drained = drain_and_verify(stage, &mut traffic, warm, args.events / 3).await?;
            eprintln!("  {accounts} accounts: {} events/s", drained.rate());
            report.by_accounts[place].push(drained);
        }
    }
    Ok(())
}
