//! Running a program: its threads, its end, its exit code.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::exit::report;

/// What still runs on its own threads by then, such as a name lookup, is left behind.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a program to its end on all cores; an error is reported once and makes the exit code 1.
pub fn run<E>(program: &str, main: impl Future<Output = Result<(), E>>) -> ExitCode
where
    E: AsRef<dyn Error + Send + Sync + 'static>,
{
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(program, &error),
    };
    let result = runtime.block_on(main);
    runtime.shutdown_timeout(LEAVE_TIMEOUT);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(program, error.as_ref()),
    }
}
