//! `xtask demo`: the whole service at work, told to someone who has never seen it. This module decides the order of the
//! story, and that its servers are gone at its end.

mod cast;
mod closing;
mod customers;
mod database;
mod deck;
pub(crate) mod event;
mod hostile;
mod intake;
mod invoices;
mod model;
mod next;
mod period;
mod reissue;
pub(crate) mod rest;
pub(crate) mod screen;
pub(crate) mod stage;
mod stream;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::signals::{Interrupted, unless_interrupted};
use crate::stack::{self, Options, Purpose, Stack};
use crate::tree;
use database::Database;
use model::{Model, World};
use period::Period;
use rest::Rest;
use screen::{Screen, count, seconds};
use stage::Stage;
use stream::Stream;

/// How the demo is played.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the stack up at the end, and print what to try next.
    #[arg(long)]
    keep: bool,
    /// Different messages in the month.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=20_000_000))]
    messages: u64,
    /// Accounts.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(10..=2_000))]
    accounts: u16,
    /// The same seed makes the same month.
    #[arg(long, default_value_t = 412)]
    seed: u64,
}

/// The folder of the demo's own stack: the developer's is not disturbed.
pub(crate) fn dir() -> PathBuf {
    tree::root().join("target/demo-stack")
}

/// Plays it. Fails unless everything that was looked at is as it must be.
pub(crate) async fn run(args: &Args) -> Result<ExitCode> {
    let fewest = u64::from(args.accounts) * 10;
    ensure!(args.messages >= fewest, "{} accounts need at least {fewest} messages", args.accounts);
    let world = Arc::new(world(args)?);
    let mut screen = Screen::new();
    screen.say(&format!(
        "{}: {} messages of {}, {} accounts, seed {}",
        screen.bold("The billing service at work"),
        count(args.messages),
        world.period.in_words(),
        args.accounts,
        args.seed
    ));
    // One that was kept has last time's data.
    stack::remove(&dir()).await?;
    screen.step("Real servers on free ports, and on them the service");
    let stack = Stack::up(Options { dir: dir(), purpose: Purpose::Service }).await?;
    let played = unless_interrupted(play(screen, world, &stack, args.keep)).await;
    let interrupted = played.as_ref().is_err_and(|error| error.is::<Interrupted>());
    if args.keep && !interrupted {
        if played.is_err() {
            eprintln!(
                "the stack stays up as it is, with its logs in {}/logs; `cargo xtask down --demo` ends it",
                dir().display()
            );
        }
        return played;
    }
    let stopped = stack.down().await;
    let code = played?;
    stopped?;
    Ok(code)
}

fn world(args: &Args) -> Result<World> {
    let accounts = cast::accounts(args.accounts.into(), args.seed);
    let prices = deck::prices(&accounts);
    let period = Period::before(Timestamp::now())?;
    Ok(World { period, accounts, prices, messages: args.messages, seed: args.seed })
}

async fn play(screen: Screen, world: Arc<World>, stack: &Stack, keep: bool) -> Result<ExitCode> {
    let mut stage = set(screen, world, stack, dir()).await?;
    intake::enter_prices(&mut stage).await?;
    intake::publish_month(&mut stage).await?;
    intake::remember_price(&mut stage).await?;
    customers::enter_names(&mut stage).await?;
    customers::ask_for_usage(&mut stage).await?;
    invoices::run(&mut stage).await?;
    invoices::download(&mut stage).await?;
    reissue::run(&mut stage).await?;
    closing::show(&mut stage).await?;
    let code = tell(&stage.screen);
    if keep {
        next::print(&stage, &stack.info).await?;
    }
    Ok(code)
}

/// Plays as much as leaves something of everything behind: prices, usage, what is set aside, invoices, one of them void.
/// Fails when something does not hold.
pub(crate) async fn furnish(stack: &Stack, dir: PathBuf, messages: u64, accounts: u16, seed: u64) -> Result<Stage> {
    let world = Arc::new(world(&Args { keep: false, messages, accounts, seed })?);
    let mut stage = set(Screen::new(), world, stack, dir).await?;
    intake::enter_prices(&mut stage).await?;
    intake::publish_month(&mut stage).await?;
    intake::remember_price(&mut stage).await?;
    customers::enter_names(&mut stage).await?;
    invoices::run(&mut stage).await?;
    reissue::run(&mut stage).await?;
    let (_, crosses) = stage.screen.verdict();
    ensure!(crosses.is_empty(), "what is to be asked for is not as it must be: {}", crosses.join("; "));
    Ok(stage)
}

async fn set(screen: Screen, world: Arc<World>, stack: &Stack, dir: PathBuf) -> Result<Stage> {
    let service = stack.info.service.clone().context("the stack has no service")?;
    let documents = tree::root().join("target/demo");
    std::fs::create_dir_all(&documents).with_context(|| format!("cannot create {}", documents.display()))?;
    Ok(Stage {
        screen,
        world,
        rest: Rest::new(dir.clone(), service)?,
        stream: Stream::connect(&stack.info.nats_urls).await?,
        database: Database::connect(&stack.info.database_url).await?,
        stack: dir,
        binaries: tree::binaries(&tree::root())?,
        documents,
        price_ids: Vec::new(),
        model: Model::default(),
        open: Model::default(),
        rates: Vec::new(),
    })
}

/// The verdict.
fn tell(screen: &Screen) -> ExitCode {
    let (ticks, crosses) = screen.verdict();
    let took = seconds(screen.elapsed());
    if crosses.is_empty() {
        screen.say(&format!("\n{}", screen.bold(&format!("All {ticks} checks hold. The demo took {took}."))));
        return ExitCode::SUCCESS;
    }
    screen.say(&format!(
        "\n{}",
        screen.bold(&format!("{} checks of {} do not hold:", crosses.len(), ticks + crosses.len()))
    ));
    for cross in crosses {
        screen.say(&format!("{} {cross}", screen.mark(false)));
    }
    ExitCode::FAILURE
}
