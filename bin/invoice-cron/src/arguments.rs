//! The command line.

use std::process::ExitCode;

use billing_domain::{AccountId, Month};
use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

/// Issues the invoices of a month.
#[derive(Parser, Clone, Debug)]
#[command(name = "invoice-cron", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The month to bill, YYYY-MM in UTC; it must be over [default: last month]
    #[arg(long, value_parser = month)]
    pub(crate) period: Option<Month>,
    /// Bill this account only
    #[arg(long, value_parser = account, value_name = "UUID")]
    pub(crate) account_id: Option<AccountId>,
    /// Compute and print everything, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait until all usage that was on the stream when the run began has been recorded
    #[arg(long)]
    pub(crate) allow_lag: bool,
    /// Keep accounts that have unrated usage as they are, and report them
    #[arg(long)]
    pub(crate) hold_unrated: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do instead of billing.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Command {
    /// List the drafts that could not be finished, and why
    Parked {
        /// Print them as one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Make every invoice of a month again from its events and tell each difference
    Verify(VerifyArguments),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArguments {
    /// The month whose invoices to verify, YYYY-MM in UTC
    #[arg(long, value_parser = month)]
    pub(crate) period: Month,
    /// Verify this account's only
    #[arg(long, value_parser = account, value_name = "UUID")]
    pub(crate) account_id: Option<AccountId>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).map_err(|_| "a month is written YYYY-MM, such as 2026-10".to_owned())
}

fn account(text: &str) -> Result<AccountId, String> {
    Uuid::parse_str(text).map(AccountId).map_err(|_| "an account id is a UUID".to_owned())
}

/// Prints what is wrong with the command line, or the help that it asks for. A wrong flag runs nothing: code 1.
pub(crate) fn explain(message: &clap::Error) -> ExitCode {
    // Nobody is left to be told when even this fails.
    let _unwritten = message.print();
    if message.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_and_an_account_are_read_strictly() {
        for (line, ok) in [
            (&["invoice-cron"][..], true),
            (&["invoice-cron", "--period", "2026-10", "--dry-run", "--json"], true),
            (&["invoice-cron", "--account-id", "5f0c2b1e-0000-4000-8000-000000000001"], true),
            (&["invoice-cron", "--period", "2026-13"], false),
            (&["invoice-cron", "--period", "2026-1"], false),
            (&["invoice-cron", "--account-id", "x"], false),
            (&["invoice-cron", "--perod", "2026-10"], false),
            (&["invoice-cron", "parked"], true),
            (&["invoice-cron", "parked", "--json"], true),
            (&["invoice-cron", "--period", "2026-10", "parked"], false),
            (&["invoice-cron", "parked", "--period", "2026-10"], false),
            (&["invoice-cron", "verify", "--period", "2026-10", "--json"], true),
            (&["invoice-cron", "verify"], false),
            (&["invoice-cron", "--dry-run", "verify", "--period", "2026-10"], false),
            (&["invoice-cron", "verify", "--period", "2026-10", "--dry-run"], false),
        ] {
            assert_eq!(Arguments::try_parse_from(line).is_ok(), ok, "{line:?}");
        }
    }
}
