//! The command line: without a command ingest consumes; each command looks at or mends one thing and ends.

use std::process::ExitCode;

use billing_domain::usage::QuarantineReason;
use billing_domain::{AccountId, Day, Month, TenantId};
use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

/// Records the usage events of the stream; or, with a command, looks at what it has kept.
#[derive(Parser, Clone, Debug)]
#[command(name = "ingest", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Who does this, for the audit log [default: the user of this process]
    #[arg(long, global = true)]
    pub(crate) actor: Option<String>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Command {
    /// Messages that cannot be usage: look at them, replay them, discard them
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// The monthly partitions of rated events
    #[command(subcommand)]
    Partitions(Partitions),
    /// Messages that were on the stream and never recorded
    Gaps,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Quarantine {
    /// Lists those that are open
    List {
        #[command(flatten)]
        filter: Filter,
        /// Also those that were replayed or discarded
        #[arg(long)]
        all: bool,
    },
    /// Shows one; digits that could be a phone number are masked
    Show {
        id: i64,
        /// Write its bytes, as they came, to standard output. They may hold personal data
        #[arg(long)]
        raw: bool,
    },
    /// Reads them anew and records what is usage by today's rules
    Replay {
        #[arg(required_unless_present = "reason", conflicts_with = "reason")]
        ids: Vec<i64>,
        /// All that are open for this reason
        #[arg(long, value_parser = reason)]
        reason: Option<QuarantineReason>,
        /// Take usage of up to 14 months ago: so long its claim tells it from usage that was recorded in time
        #[arg(long)]
        allow_old: bool,
        /// The tenant that they belong to; headers are not kept, so those that named another one need it
        #[arg(long, value_parser = tenant, value_name = "UUID")]
        tenant: Option<TenantId>,
    },
    /// Closes them for good; they stay counted as quarantined
    Discard {
        #[arg(required = true)]
        ids: Vec<i64>,
        /// Why, 1 to 500 characters
        #[arg(long, value_parser = note)]
        note: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Filter {
    /// Set aside for this reason
    #[arg(long, value_parser = reason)]
    pub(crate) reason: Option<QuarantineReason>,
    /// Of this account
    #[arg(long, value_parser = account, value_name = "UUID")]
    pub(crate) account: Option<AccountId>,
    /// Arrived on this UTC day or later, YYYY-MM-DD
    #[arg(long, value_parser = day)]
    pub(crate) since: Option<Day>,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Partitions {
    /// Lists them, what is in none of them, and tables that were one
    List,
    /// Takes partitions off whose month is 13 months past; nothing is dropped
    Detach {
        /// Of months before this one, YYYY-MM
        #[arg(long, value_parser = month)]
        before: Month,
    },
    /// Moves a month's events from the DEFAULT partition to one of its own, however many they are
    Move {
        /// YYYY-MM
        #[arg(long, value_parser = month)]
        month: Month,
    },
}

fn reason(text: &str) -> Result<QuarantineReason, String> {
    let known = QuarantineReason::ALL.into_iter().find(|reason| reason.name() == text);
    known.ok_or_else(|| format!("a reason is one of {}", QuarantineReason::ALL.map(QuarantineReason::name).join(", ")))
}

fn account(text: &str) -> Result<AccountId, String> {
    Uuid::parse_str(text).map(AccountId).map_err(|_| "an account id is a UUID".to_owned())
}

fn tenant(text: &str) -> Result<TenantId, String> {
    Uuid::parse_str(text).map(TenantId).map_err(|_| "a tenant id is a UUID".to_owned())
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).map_err(|_| "a day is written YYYY-MM-DD, such as 2026-10-31".to_owned())
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).map_err(|_| "a month is written YYYY-MM, such as 2026-10".to_owned())
}

fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=500).contains(&text.chars().count());
    if fits { Ok(text.to_owned()) } else { Err("a note has 1 to 500 characters".to_owned()) }
}

/// Prints what is wrong with the command line, or the help that it asks for. What is wrong runs nothing: code 1.
pub(crate) fn explain(message: &clap::Error) -> ExitCode {
    // Nobody is left to be told when even this fails.
    let _unwritten = message.print();
    if message.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_exactly_is_refused() {
        for (line, ok) in [
            ("", true),
            ("quarantine list", true),
            ("quarantine list --reason future --since 2026-11-01 --json", true),
            ("quarantine list --reason late", false),
            ("quarantine list --since yesterday", false),
            ("quarantine show 7 --raw", true),
            ("quarantine show", false),
            ("quarantine replay 1 2 3 --actor alice", true),
            ("quarantine replay --reason too_old --allow-old", true),
            ("quarantine replay 1 --reason too_old", false),
            ("quarantine replay", false),
            ("quarantine replay 1 --tenant x", false),
            ("quarantine discard 1 2 --note test", true),
            ("quarantine discard 1", false),
            ("quarantine discard --note test", false),
            ("quarantine discard 1 --note", false),
            ("partitions list", true),
            ("partitions detach --before 2025-09", true),
            ("partitions detach", false),
            ("partitions detach --before 2025-13", false),
            ("partitions move --month 2026-02", true),
            ("gaps", true),
            ("gap", false),
        ] {
            let words = std::iter::once("ingest").chain(line.split_whitespace());
            assert_eq!(Arguments::try_parse_from(words).is_ok(), ok, "{line}");
        }
        assert!(Arguments::try_parse_from(["ingest", "quarantine", "discard", "1", "--note", " "]).is_err());
    }
}
