//! The servers that a measurement needs, the schema and prices on them, and an empty start for each round.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::service::{Service, Settings};
use super::stream::Stream;
use super::traffic::{OPERATORS, TIERS};
use crate::stack::{Info, Stack};
use crate::{exec, tree};

/// Everything that a measurement works with.
pub(crate) struct Stage {
    pub(crate) info: Info,
    pub(crate) settings: Settings,
    pub(crate) database: Client,
    pub(crate) stream: Stream,
}

/// What each round begins without.
const EMPTY: &str =
    "TRUNCATE billing.message_keys, billing.billing_events, billing.usage_buckets, billing.unrated_events,
    billing.duplicate_messages, billing.quarantined_messages, billing.account_parties, billing.account_profiles,
    billing.accounts CASCADE";

/// The folder of the benchmark's own stack.
pub(crate) fn dir() -> PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| tree::root().join("target/bench-stack")).clone()
}

/// Builds a program as it is released, all three in one file, and gives it its name; where it is.
pub(crate) async fn build(program: &str) -> Result<PathBuf> {
    let root = tree::root();
    let mut command = exec::cargo(&root);
    // By binary and not by package: so the features are those of the whole workspace, and what all need is built once.
    command.args(["build", "--release", "--bin", "billing-service"]);
    ensure!(exec::on_terminal("cargo build", &mut command).await?.success(), "{program} does not build");
    let built = tree::binaries(&root)?.with_file_name("release").join("billing-service");
    let named = root.join("target/bench").join(program);
    std::fs::create_dir_all(root.join("target/bench")).context("cannot create target/bench")?;
    let _not_there = std::fs::remove_file(&named);
    std::os::unix::fs::symlink(&built, &named).with_context(|| format!("cannot link {}", named.display()))?;
    Ok(named)
}

impl Stage {
    /// On a stack that is up and empty.
    pub(crate) async fn set(stack: &Stack, settings: Settings) -> Result<Self> {
        let info = stack.info.clone();
        let database = connect(&info.database_url).await?;
        prepare(&database, &settings.password).await?;
        let stream = Stream::connect(&info.nats_urls).await?;
        Ok(Self { info, settings, database, stream })
    }

    /// Nothing recorded, nothing on the stream, nothing to be written to disk from before.
    pub(crate) async fn reset(&self) -> Result<()> {
        self.database.batch_execute(EMPTY).await.context("cannot empty the tables")?;
        self.stream.reset().await?;
        self.settle().await
    }

    /// Lets the disk come to rest.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.database.batch_execute("CHECKPOINT").await.context("cannot make a checkpoint")
    }

    /// Starts the measured program.
    pub(crate) async fn start(&self) -> Result<Service> {
        Service::start(&self.settings, &self.info).await
    }

    /// One number of the database.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        let row = self.database.query_one(query, &[]).await.with_context(|| format!("cannot ask {query}"))?;
        Ok(row.get(0))
    }
}

pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("cannot connect to the database")?;
    tokio::spawn(connection);
    Ok(client)
}

/// The schema, prices and costs, and the worker's password.
pub(crate) async fn prepare(database: &Client, password: &str) -> Result<()> {
    migrate(database).await?;
    enter_prices(database).await?;
    let password = format!("ALTER ROLE billing_worker_login PASSWORD '{password}'");
    database.batch_execute(&password).await.context("cannot set the worker's password")
}

/// All steps, as their owner.
async fn migrate(database: &Client) -> Result<()> {
    let folder = tree::root().join("migrations");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut steps: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path().join("up.sql")).filter(|step| step.exists()).collect();
    steps.sort();
    for step in steps {
        let sql = std::fs::read_to_string(&step).with_context(|| format!("cannot read {}", step.display()))?;
        let sql = format!("BEGIN; SET LOCAL ROLE billing_owner;\n{sql}\n; COMMIT");
        database.batch_execute(&sql).await.with_context(|| format!("cannot run {}", step.display()))?;
    }
    Ok(())
}

async fn enter_prices(database: &Client) -> Result<()> {
    for (tier, micros) in TIERS {
        let price = "INSERT INTO billing.prices (id, tier, operator_id, direction, model, charge_on, unit_price_micros,
                currency, days, version, created_by, created_at)
            VALUES ($1, $2, '*', 'MT', 'PER_SEGMENT', 'ANY_TERMINAL', $3, 'USD', '[2020-01-01,)', 1, 'bench', now())";
        database.execute(price, &[&Uuid::new_v4(), &tier, &micros]).await.context("cannot enter a price")?;
    }
    for (operator, micros) in OPERATORS {
        let cost = "INSERT INTO billing.operator_costs (id, operator_id, direction, cost_per_segment_micros, currency,
                days, version, created_by, created_at)
            VALUES ($1, $2, 'MT', $3, 'USD', '[2020-01-01,)', 1, 'bench', now())";
        database.execute(cost, &[&Uuid::new_v4(), &operator, &micros]).await.context("cannot enter a cost")?;
    }
    let bump = "UPDATE billing.book_versions SET version = version + 1";
    database.execute(bump, &[]).await.context("cannot count the book up")?;
    Ok(())
}
