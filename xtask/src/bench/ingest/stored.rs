//! The same backlog on top of millions that are stored.

use anyhow::{Context, Result, ensure};

use super::Args;
use super::drain::{AfterCheckpoint, drain_more};
use super::report::Report;
use super::stage::Stage;
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

/// Fills, and drains a backlog.
pub(crate) async fn measure(args: &Args, stage: &Stage, stored: u64, report: &mut Report) -> Result<()> {
    stage.reset().await?;
    // Filling need not wait for the disk; the backlog after it does.
    stage.database.batch_execute("SET synchronous_commit = off").await.context("cannot prepare to fill")?;
    let fill = stage.database.prepare(FILL).await.context("cannot prepare to fill")?;
    let mut filled = 0;
    while filled < stored {
        let step = STEP.min(stored - filled);
        let rows = i64::try_from(step).context("too many rows")?;
        stage.database.execute(&fill, &[&rows, &uuid::Uuid::nil()]).await.context("cannot fill the tables")?;
        filled += step;
        eprintln!("  filled {filled} of {stored}");
    }
    for statement in ["RESET synchronous_commit", "VACUUM (ANALYZE) billing.message_keys"] {
        stage.database.batch_execute(statement).await.context("cannot end filling")?;
    }
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
