//! What continuous integration runs, cheapest first.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::signals::unless_interrupted;
use crate::{conformance, exec, helm, image, stack, test, tidy, tree};

/// Which part to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the tests, where they ran already.
    #[arg(long)]
    skip_test: bool,
}

/// Runs every step until one fails, the longest last; the exit code is that of the last.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let root = tree::root();
    let mut clippy = vec!["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    clippy.extend(["-D", "clippy::too_many_lines"]);
    let steps: [(&str, &[&str]); 2] = [("format", &["fmt", "--all", "--check"]), ("lints", &clippy)];

    let tidied = timed("tidy", async { tidy::run(&root) }).await?;
    if tidied != ExitCode::SUCCESS {
        return Ok(tidied);
    }
    let charted = timed("chart", helm::run(&helm::Args::default())).await?;
    if charted != ExitCode::SUCCESS {
        return Ok(charted);
    }
    for (name, arguments) in steps {
        let mut command = exec::cargo(&root);
        command.args(arguments);
        let status = timed(name, unless_interrupted(exec::on_terminal(name, &mut command))).await?;
        if !status.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    let imaged = timed("image", image::run(&image::Args::quick())).await?;
    if imaged != ExitCode::SUCCESS {
        return Ok(imaged);
    }
    if !args.skip_test {
        let tested = timed("test", test::run(&test::Args::default())).await?;
        if tested != ExitCode::SUCCESS {
            return Ok(tested);
        }
    }
    timed("conformance", conformance::run(&conformance::Args::of_ci())).await
}

async fn timed<T>(name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    println!("== {name}");
    let started = Instant::now();
    let result = work.await;
    println!("== {name}: {}", stack::seconds(started));
    result
}
