//! What the machine could do at best: the same rows by COPY BINARY into an identical table with the same indexes.

use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use futures::{SinkExt as _, StreamExt as _};
use tokio_postgres::{Client, CopyInSink};

use super::stage::{Stage, connect};

/// How many bytes are handed over at a time.
const CHUNK: usize = 256 * 1024;

/// Copies what was recorded; the number of rows and the time it took.
pub(crate) async fn copy(stage: &Stage) -> Result<(u64, Duration)> {
    let client = connect(&stage.info.database_url).await?;
    let table = "DROP TABLE IF EXISTS billing.bench_events;
        CREATE TABLE billing.bench_events (LIKE billing.billing_events INCLUDING ALL)";
    client.batch_execute(table).await.context("cannot make the table")?;
    let rows = read(&client).await?;
    stage.settle().await?;
    let began = Instant::now();
    let sink: CopyInSink<BytesMut> =
        client.copy_in("COPY billing.bench_events FROM STDIN (FORMAT binary)").await.context("cannot copy")?;
    let mut sink = pin!(sink);
    for chunk in rows {
        sink.feed(chunk).await.context("cannot copy")?;
    }
    let copied = sink.finish().await.context("cannot copy")?;
    let took = began.elapsed();
    ensure!(copied > 0, "nothing was recorded that could be copied");
    client.batch_execute("DROP TABLE billing.bench_events").await.context("cannot remove the table")?;
    Ok((copied, took))
}

/// Everything that was recorded, in the form that COPY takes.
async fn read(client: &Client) -> Result<Vec<BytesMut>> {
    let query = "COPY (SELECT * FROM billing.billing_events) TO STDOUT (FORMAT binary)";
    let mut stream = pin!(client.copy_out(query).await.context("cannot read the events")?);
    let mut chunks = vec![BytesMut::with_capacity(CHUNK)];
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.context("cannot read the events")?;
        match chunks.last_mut() {
            Some(last) if last.len() + bytes.len() <= CHUNK => last.extend_from_slice(&bytes),
            _ => chunks.push(bytes.as_ref().into()),
        }
    }
    Ok(chunks)
}
