//! The run as a process, watched from outside: how long, how much memory, whose processor time.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio_postgres::Client;
use uuid::Uuid;

use super::fill::Month;
use crate::bench::ingest::{meter, stage};
use crate::bench::program::without_login;
use crate::demo::screen::Screen;
use crate::stack::Info;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const SERVERS_END: Duration = Duration::from_secs(1);
/// Counting costs the database something too.
const COUNT_EVERY: u32 = 20;

/// The servers, and the program that is measured on them.
pub(crate) struct Place {
    pub(crate) info: Info,
    pub(crate) dir: PathBuf,
    pub(crate) database: Client,
    program: PathBuf,
    /// The run's, in the database.
    password: String,
}

/// What the run took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) invoices: u64,
    pub(crate) wall: Duration,
    pub(crate) peak_kib: u64,
    pub(crate) run_ms: u64,
    pub(crate) postgres_ms: u64,
    pub(crate) s3_ms: u64,
    pub(crate) spent: Spent,
}

/// By its own clocks, the sum over accounts, in milliseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) accounts: u64,
    pub(crate) rendering: u64,
    pub(crate) storing: u64,
    pub(crate) database: u64,
}

impl Place {
    /// On servers that are up and empty.
    pub(crate) async fn prepare(info: Info, dir: PathBuf, program: PathBuf) -> Result<Self> {
        let database = stage::connect(&info.database_url).await?;
        let password = Uuid::new_v4().simple().to_string();
        stage::prepare(&database, &password).await?;
        Ok(Self { info, dir, database, program, password })
    }

    fn server_ms(&self) -> Result<(u64, u64)> {
        let pid = |name| self.info.pids.get(name).copied().with_context(|| format!("no process of {name}"));
        Ok((meter::family_ms(pid("postgres")?)?, meter::own_ms(pid("s3")?)?))
    }

    fn command(&self, month: &Month, parallel: Option<u32>) -> Result<Command> {
        let Info { s3_endpoint, s3_region, s3_access_key, s3_secret_key, s3_bucket, .. } = &self.info;
        let mut command = Command::new(&self.program);
        command.args(["--period", &month.first.strftime("%Y-%m").to_string(), "--allow-lag", "--json"]);
        command.env_clear().current_dir(&self.dir).kill_on_drop(true).envs([
            ("BILLING_DATABASE_URL", without_login(&self.info.database_url)?.as_str()),
            ("BILLING_SECRET_DATABASE_WORKER_USERNAME", "billing_worker_login"),
            ("BILLING_SECRET_DATABASE_WORKER_PASSWORD", &self.password),
            ("BILLING_SECRET_S3_ACCESS_KEY", s3_access_key),
            ("BILLING_SECRET_S3_SECRET_KEY", s3_secret_key),
            ("BILLING_S3_ENDPOINT", s3_endpoint),
            ("BILLING_S3_REGION", s3_region),
            ("BILLING_S3_BUCKET", s3_bucket),
            // Whoever need not wait for usage never connects.
            ("BILLING_NATS_URLS", "nats://127.0.0.1:9"),
            ("BILLING_SELLER_NAME", "Ghasi"),
            ("BILLING_SELLER_ADDRESS", "Street 4|Kabul"),
            ("BILLING_SELLER_TAX_ID", "1000000001"),
        ]);
        command.envs(parallel.map(|parallel| ("BILLING_INVOICE_PARALLEL", parallel.to_string())));
        for name in ["MALLOC_CONF", "MALLOC_ARENA_MAX"] {
            command.envs(std::env::var(name).ok().map(|value| (name, value)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(command)
    }
}

/// Runs it to its end.
pub(crate) async fn run(place: &Place, month: &Month, parallel: Option<u32>, screen: &Screen) -> Result<Measured> {
    let mut command = place.command(month, parallel)?;
    let before = place.server_ms()?;
    let mut bar = screen.bar("invoices", 0, u64::try_from(month.bills.len())?);
    let began = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {}", place.program.display()))?;
    let pid = child.id().context("it has ended at once")?;
    let mut ended = std::pin::pin!(child.wait_with_output());
    let (mut measured, mut looks) = (Measured::default(), 0_u32);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output.context("it cannot be waited for")?,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // Both only grow; the last look before the end counts.
        if let (Ok(run_ms), Ok(peak_kib)) = (meter::own_ms(pid), meter::peak_kib(pid)) {
            (measured.run_ms, measured.peak_kib) = (run_ms, peak_kib);
        }
        looks += 1;
        if looks.is_multiple_of(COUNT_EVERY) {
            bar.set(numbered(&place.database).await?);
        }
    };
    measured.wall = began.elapsed();
    // A server process that ends just now is counted neither by itself nor by its parent.
    tokio::time::sleep(SERVERS_END).await;
    let after = place.server_ms()?;
    bar.set(numbered(&place.database).await?);
    bar.done();
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "invoice-cron ended with {}: {told}", output.status);
    let report: Value = serde_json::from_str(&told).context("its report is not JSON")?;
    let of = |value: &Value| value.as_u64().context("its report lacks a figure");
    measured.invoices = of(&report["issued"])?;
    (measured.postgres_ms, measured.s3_ms) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    let spent = &report["spentMilliseconds"];
    measured.spent = Spent {
        accounts: of(&spent["accounts"])?,
        rendering: of(&spent["rendering"])?,
        storing: of(&spent["storing"])?,
        database: of(&spent["database"])?,
    };
    Ok(measured)
}

/// Invoices that have a number so far.
async fn numbered(database: &Client) -> Result<u64> {
    let query = "SELECT COALESCE(max(last), 0) FROM billing.number_series WHERE series = 'INV'";
    let last: i64 = database.query_one(query, &[]).await.context("cannot see how far it is")?.get(0);
    Ok(u64::try_from(last)?)
}
