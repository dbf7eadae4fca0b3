//! Runs the tests on servers of their own, so that a running stack of the developer is not disturbed; then looks through all
//! that the run has printed and written for the secrets that it was given.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::signals::unless_interrupted;
use crate::stack::{Info, Options, Purpose, Stack};
use crate::{canary, exec, setup, tree};

/// What `cargo test` is told.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Name filters and any other argument of `cargo test`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds, starts the servers, tests, and stops the servers in any case; the exit code is that of the tests, unless a secret
/// was told.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    if let Some(failed) = build(&args.arguments).await? {
        return Ok(failed);
    }
    let stack = Stack::up(Options { dir: tree::root().join("target/test-stack"), purpose: Purpose::Tests }).await?;
    let said = said()?;
    let mut command = cargo_test(&args.arguments, &[]);
    command
        .envs(variables(&stack.info))
        .envs(programs(&setup::servers(&tree::root())?))
        .env("BILLING_TEST_LOGS", &said);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let printed = said.join("cargo-test.log");
    let testing = exec::on_terminal_and_in("cargo test", &mut command, &printed);
    let tested = unless_interrupted(testing).await;
    let stopped = stack.down().await;
    let status = tested?;
    stopped?;
    let leaks = canary::search(&[said, tree::root().join("target/test-stack/logs")], is_foreign)?;
    for leak in &leaks {
        println!("told: {leak}");
    }
    Ok(if leaks.is_empty() { code(status) } else { ExitCode::FAILURE })
}

/// An empty folder for all that the tests and our programs in them say.
fn said() -> Result<PathBuf> {
    let folder = tree::root().join("target/test-logs");
    let _not_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A server for development, which tells its own token by design.
fn is_foreign(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bao"))
}

async fn build(arguments: &[String]) -> Result<Option<ExitCode>> {
    let (selection, _) = split(arguments);
    let mut command = cargo_test(selection, &["--no-run"]);
    let status = unless_interrupted(exec::on_terminal("cargo test", &mut command)).await?;
    Ok((!status.success()).then(|| code(status)))
}

fn code(status: std::process::ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn cargo_test(arguments: &[String], more: &[&str]) -> tokio::process::Command {
    let mut command = exec::cargo(&tree::root());
    command.arg("test");
    let (selection, _) = split(arguments);
    let names_packages = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
    if !selection.iter().any(names_packages) {
        command.arg("--workspace");
    }
    command.args(more).args(arguments);
    command
}

/// What is for cargo, and what comes after `--` for the test programs.
fn split(arguments: &[String]) -> (&[String], &[String]) {
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    arguments.split_at(end)
}

/// Where tests find the servers.
fn variables(info: &Info) -> Vec<(&'static str, String)> {
    vec![
        ("BILLING_TEST_DATABASE_URL", info.database_url.clone()),
        ("BILLING_TEST_REPLICA_URL", info.replica_url.clone()),
        ("BILLING_TEST_REDIS_URLS", info.redis_urls.join(",")),
        ("BILLING_TEST_NATS_URLS", info.nats_urls.join(",")),
        ("BILLING_TEST_S3_ENDPOINT", info.s3_endpoint.clone()),
        ("BILLING_TEST_S3_REGION", info.s3_region.clone()),
        ("BILLING_TEST_S3_BUCKET", info.s3_bucket.clone()),
        ("BILLING_TEST_S3_ACCESS_KEY", info.s3_access_key.clone()),
        ("BILLING_TEST_S3_SECRET_KEY", info.s3_secret_key.clone()),
        ("BILLING_TEST_VAULT_ADDR", info.vault_addr.clone()),
        ("BILLING_TEST_VAULT_TOKEN", info.vault_token.clone()),
    ]
}

/// Where tests find the servers' programs, for servers of their own that they may kill.
fn programs(servers: &setup::Servers) -> [(&'static str, &Path); 4] {
    [
        ("BILLING_TEST_POSTGRES_BIN", &servers.postgres),
        ("BILLING_TEST_REDIS_SERVER", &servers.redis_server),
        ("BILLING_TEST_NATS_SERVER", &servers.nats_server),
        ("BILLING_TEST_BAO", &servers.bao),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_cargo() {
        let check = |arguments: &[&str], expected: &str| {
            let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
            let command = cargo_test(&arguments, &[]);
            let line: Vec<_> = command.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
            assert_eq!(line.join(" "), expected);
        };
        check(&[], "test --workspace");
        check(&["void"], "test --workspace void");
        check(&["-p", "billing-domain", "price"], "test -p billing-domain price");
        check(&["--package=api"], "test --package=api");
        check(&["a", "--", "-p", "--nocapture"], "test --workspace a -- -p --nocapture");
    }
}
