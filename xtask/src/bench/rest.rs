//! `xtask bench rest`: usage by day for a month, asked over HTTP, beside the same statements through pgbench on the same
//! servers. This module decides what is measured and in which order; each part is a file beside it.
//!
//! PostgreSQL, its replica, the api and whoever asks share the machine. At the fixed rate each request has its own moment, and
//! how long it took counts from there: an answer that is late makes those behind it late as well.

mod api;
mod fill;
mod load;
mod pgbench;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use uuid::Uuid;

use super::figures::{self, Line, figure, median, ratio, thousandths};
use super::ingest::{meter, stage};
use crate::signals::unless_interrupted;
use crate::stack::{Info, Stack};
use crate::tree;
use api::Api;
use load::Latencies;

/// What is measured, and how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rated events that are stored, over a month of 31 days. Filling takes about a minute for each ten million.
    #[arg(long, visible_alias = "stored", default_value_t = 50_000_000,
        value_parser = clap::value_parser!(u64).range(200_000..=200_000_000))]
    events: u64,
    /// Accounts that they are of, with five operators each.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    accounts: u32,
    /// Requests a second at the fixed rate.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    rate: u32,
    /// Seconds at the fixed rate.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    seconds: u32,
    /// Rounds as fast as it goes, of ten seconds for the api and ten for pgbench; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// The program to measure; if not given, it is built as it is released.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench/rest.json")]
    json: PathBuf,
}

/// Who asks side by side when it goes as fast as it can: as many as the api has connections to the replica.
const SIDE_BY_SIDE: u32 = 5;
const ROUND: Duration = Duration::from_secs(10);
/// For plans, caches and connections.
const WARM_UP: Duration = Duration::from_secs(5);

/// What was measured.
struct Measured {
    ready_after: Duration,
    latencies: Latencies,
    /// Answers of the api and transactions of pgbench a second, by round.
    closed: Vec<(u64, u64)>,
    api_ms: u64,
    postgres_ms: u64,
    peak_kib: u64,
}

/// Measures. Fails when an answer is wrong; a figure that misses its target is only told.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let program = match &args.program {
        Some(program) => std::path::absolute(program)?,
        None => stage::build("api").await?,
    };
    let dir = tree::root().join("target/bench-rest-stack");
    let stack = Stack::up_for_rest(dir.clone()).await?;
    let work = async {
        let database = stage::connect(&stack.info.database_url).await?;
        let password = Uuid::new_v4().simple().to_string();
        stage::prepare(&database, &password).await?;
        fill::fill(&database, &stack.info.database_url, args.accounts, args.events).await?;
        fill::replayed(&database, &stack.info.replica_url).await?;
        let api = Api::start(&program, &dir, &stack.info, &database).await?;
        let measured = measure(args, &stack.info, &api).await;
        api.stop().await?;
        measured
    };
    let measured = unless_interrupted(work).await;
    let stopped = stack.down().await;
    tell(args, &measured?)?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args, info: &Info, api: &Api) -> Result<Measured> {
    let questions = load::Questions::new(args.accounts, api)?;
    load::as_fast_as_it_goes(&questions, SIDE_BY_SIDE, WARM_UP).await?;
    let servers = || meter::read(&info.pids, Some(api.pid), &api.database);
    let before = servers().await?;
    let latencies = load::at_fixed_rate(&questions, args.rate, args.seconds).await?;
    let used = servers().await?.since(before);
    eprintln!("  {} answers at {} a second", latencies.count(), args.rate);
    let mut closed = Vec::new();
    for round in 1..=args.rounds {
        let api_rate = load::as_fast_as_it_goes(&questions, SIDE_BY_SIDE, ROUND).await?;
        let pgbench_rate = pgbench::run(info, &api.login, args.accounts, SIDE_BY_SIDE, ROUND).await?;
        eprintln!("  round {round} of {}: {api_rate} answers/s, pgbench {pgbench_rate}/s", args.rounds);
        closed.push((api_rate, pgbench_rate));
    }
    Ok(Measured {
        ready_after: api.ready_after,
        latencies,
        closed,
        api_ms: used.program_ms,
        postgres_ms: used.postgres_ms,
        peak_kib: meter::peak_kib(api.pid)?,
    })
}

fn tell(args: &Args, measured: &Measured) -> Result<()> {
    let setting = format!(
        "usage by day for a month; {} events of {} accounts, 5 operators, 31 days; a replica; {} a second for {} s; then \
         {SIDE_BY_SIDE} side by side, {} rounds",
        args.events, args.accounts, args.rate, args.seconds, args.rounds
    );
    figures::tell(&setting, &lines(measured), &tree::root().join(&args.json))
}

fn lines(measured: &Measured) -> Vec<Line> {
    let Measured { ready_after, latencies, closed, api_ms, postgres_ms, peak_kib } = measured;
    let [p50, p95, p99] = [500, 950, 990].map(|thousandth| latencies.quantile(thousandth));
    let answers = median(closed.iter().map(|(api, _)| *api));
    let share = median(closed.iter().map(|(api, pgbench)| ratio(*api, *pgbench)));
    let each = |ms: u64| ms * 1_000 / latencies.count().max(1);
    let ready = u64::try_from(ready_after.as_millis()).unwrap_or(u64::MAX);
    let peak = peak_kib / 1_024;
    vec![
        thousandths("half of the answers within", p50, "ms", None),
        thousandths("95 % within", p95, "ms", Some(("≤ 5", p95 <= 5_000))),
        thousandths("99 % within", p99, "ms", Some(("≤ 15", p99 <= 15_000))),
        thousandths("all within", latencies.quantile(1_000), "ms", None),
        thousandths("processor time, api", each(*api_ms), "ms per answer", None),
        thousandths("processor time, PostgreSQL", each(*postgres_ms), "ms per answer", None),
        figure("as fast as it goes", answers, "answers/s", None),
        figure("pgbench, the same statements", median(closed.iter().map(|(_, rate)| *rate)), "a second", None),
        thousandths("ratio to pgbench, in the same round", share, "", Some(("≥ 0.600", share >= 600))),
        figure("most memory of api", peak, "MiB", Some(("≤ 64", peak <= 64))),
        figure("ready after", ready, "ms", Some(("≤ 1,000", ready <= 1_000))),
    ]
}
