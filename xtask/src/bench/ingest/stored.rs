//! The same backlog on top of millions that are stored.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Args;
use super::drain::{AfterCheckpoint, drain_more};
use super::report::Report;
use super::stage::{Stage, connect};
use super::traffic::Traffic;

/// Filled at a time.
const STEP: u64 = 1_000_000;

/// Claims and events of the last hour, with ids as random as the rest.
const FILL: &str = "WITH made AS (
        SELECT gen_random_uuid() AS id, now() - interval '1 hour' + n * interval '3 milliseconds' AS at, n
        FROM generate_series(1::bigint, $1) AS n
    ), claimed AS (
        INSERT INTO billing.message_keys (message_id, fingerprint, stream_sequence, published_at, charged_at)
        SELECT id, id, n, at, at FROM made
    )
    INSERT INTO billing.billing_events (message_id, account_id, tenant_id, bucket_id, charged_at, price_id, cost_id,
        amount_micros, cost_micros, stream_sequence, segments, operator_id, tier, direction, currency, cost_currency,
        dlr_status)
    SELECT id, $2, $2, n % 2500, at, $2, $2, 12500, 4100, n, 1, '41201', 'STARTER', 'MT', 'USD', 'USD', 'DELIVERED'
    FROM made";

/// The claims' index as random inserts would leave it, its pages about 70 % full; made at the end, for to fill it id by id
/// takes longer than all the rest.
const WITHOUT_INDEX: &str = "ALTER TABLE billing.message_keys DROP CONSTRAINT message_keys_pkey";
const WITH_INDEX: &str = "SET maintenance_work_mem = '1GB';
    ALTER TABLE billing.message_keys ADD CONSTRAINT message_keys_pkey PRIMARY KEY (message_id) WITH (fillfactor = 70);
    ALTER INDEX billing.message_keys_pkey RESET (fillfactor);
    RESET maintenance_work_mem";
/// Or the server would do it while it is measured.
const VACUUMED: [&str; 2] = ["VACUUM (ANALYZE) billing.message_keys", "VACUUM (ANALYZE) billing.billing_events"];

/// What decides how often a checkpoint comes.
const CHECKPOINTS: &str = "SELECT extract(epoch FROM current_setting('checkpoint_timeout')::interval)::bigint,
    (pg_size_bytes(current_setting('max_wal_size'))
        / (1 + current_setting('checkpoint_completion_target')::float8))::bigint";

/// How often the server makes checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoints {
    pub(crate) every: Duration,
    /// Or after so many bytes of log: the log of the one before is kept meanwhile, and not more than `max_wal_size`.
    pub(crate) wal_bytes: u64,
}

/// Fills, and drains a backlog.
pub(crate) async fn measure(args: &Args, stage: &Stage, stored: u64, report: &mut Report) -> Result<()> {
    stage.reset().await?;
    let began = Instant::now();
    fill(stage, stored).await?;
    eprintln!("  filled in {} s", began.elapsed().as_secs());
    report.checkpoints = Some(checkpoints(stage).await?);
    // Ids are random, so the first million after a checkpoint touches every page of the claims' index, and each is logged
    // whole once. A service that runs pays that once a checkpoint: the first round does, too.
    for round in 0..=args.rounds {
        let after_checkpoint = if round == 0 { AfterCheckpoint::Yes } else { AfterCheckpoint::No };
        let mut traffic = Traffic::new(args.accounts, rand::random());
        let claims = stage.number("SELECT count(*) FROM billing.message_keys").await?;
        stage.stream.reset().await?;
        let drained = drain_more(stage, &mut traffic, 0, args.events, after_checkpoint).await?;
        let new = stage.number("SELECT count(*) FROM billing.message_keys").await? - claims;
        ensure!(i128::from(new) == traffic.model.total.messages, "{new} messages were recorded");
        if round == 0 {
            eprintln!("  {} events/s on top of {stored}, right after a checkpoint", drained.rate());
            report.after_checkpoint = Some(drained);
        } else {
            eprintln!("  {} events/s on top of {stored}", drained.rate());
            report.on_stored.push(drained);
        }
    }
    Ok(())
}

/// On two connections, which need not wait for the disk.
async fn fill(stage: &Stage, stored: u64) -> Result<()> {
    stage.database.batch_execute(WITHOUT_INDEX).await.context("cannot prepare to fill")?;
    let steps: Vec<u64> = (0..stored.div_ceil(STEP)).map(|step| STEP.min(stored - step * STEP)).collect();
    let (first, second) = steps.split_at(steps.len() / 2);
    tokio::try_join!(fill_by(stage, first), fill_by(stage, second))?;
    stage.database.batch_execute(WITH_INDEX).await.context("cannot make the index of claims")?;
    eprintln!("  made the index of claims");
    let vacuum = async |what: &str| {
        let client = connect(&stage.info.database_url).await?;
        client.batch_execute(what).await.with_context(|| format!("cannot run {what}"))
    };
    tokio::try_join!(vacuum(VACUUMED[0]), vacuum(VACUUMED[1])).map(drop)
}

async fn fill_by(stage: &Stage, steps: &[u64]) -> Result<()> {
    let client = connect(&stage.info.database_url).await?;
    client.batch_execute("SET synchronous_commit = off").await.context("cannot prepare to fill")?;
    let fill = client.prepare(FILL).await.context("cannot prepare to fill")?;
    let mut filled = 0;
    for step in steps {
        let rows = i64::try_from(*step).context("too many rows")?;
        client.execute(&fill, &[&rows, &uuid::Uuid::nil()]).await.context("cannot fill the tables")?;
        filled += step;
        eprintln!("  one of two connections has filled {filled}");
    }
    Ok(())
}

async fn checkpoints(stage: &Stage) -> Result<Checkpoints> {
    let row = stage.database.query_one(CHECKPOINTS, &[]).await.context("cannot ask for checkpoints")?;
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    Ok(Checkpoints { every: Duration::from_secs(number(0)), wal_bytes: number(1) })
}
