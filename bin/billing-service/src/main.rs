//! The three programs in one file, as the image has them: which it is, the name says that it is started by.
//!
//! They share most of what they are made of, and a library for documents that takes more room than all the rest.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "billing-service: start it by one of its names: api, ingest, invoice-cron";

fn main() -> ExitCode {
    let started_by = std::env::args_os().next().unwrap_or_default();
    match program(&started_by) {
        Some(main) => main(),
        None => {
            // Nobody is left to be told when even this fails.
            let _unwritten = writeln!(std::io::stderr(), "{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What the last part of the name stands for.
fn program(started_by: &OsString) -> Option<fn() -> ExitCode> {
    match Path::new(started_by).file_name()?.to_str()? {
        "api" => Some(api::main),
        "ingest" => Some(ingest::main),
        "invoice-cron" => Some(invoice_cron::main),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_which_program_it_is() {
        for (started_by, expected) in [
            ("api", true),
            ("ingest", true),
            ("invoice-cron", true),
            ("/usr/local/bin/api", true),
            ("/api/billing-service", false),
            ("billing-service", false),
            ("", false),
        ] {
            assert_eq!(program(&started_by.into()).is_some(), expected, "{started_by}");
        }
    }
}
