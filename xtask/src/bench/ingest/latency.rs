//! From published to committed, at a rate that leaves room: as the service's own histogram tells it.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::report::Report;
use super::service::series;
use super::stage::Stage;
use super::traffic::Traffic;
use super::verify::verify;

/// Messages a second, for so many seconds; the first of them are not counted.
pub(crate) const A_SECOND: u64 = 10_000;
const SECONDS: u64 = 15;
const WARM_SECONDS: u64 = 2;
const HISTOGRAM: &str = "billing_events_ingestion_latency_seconds_bucket{le=\"";

/// Counts of the histogram up to each bound; the bound as it is written.
type Bounds = Vec<(String, u64)>;

/// Publishes at a fixed rate; the bound that 95 of 100 messages stay within, and the share within 250 ms in thousandths.
pub(crate) async fn measure(stage: &Stage, report: &mut Report) -> Result<()> {
    stage.reset().await?;
    let mut traffic = Traffic::new(500, rand::random());
    let service = stage.start().await?;
    stage.stream.release().await?;
    let warm = stage.stream.publish_at(&mut traffic, A_SECOND, WARM_SECONDS).await?;
    service.wait_for(warm, Duration::from_secs(30), |_| {}).await?;
    let before = bounds(&service.metrics().await?);
    let count = stage.stream.publish_at(&mut traffic, A_SECOND, SECONDS).await?;
    service.wait_for(warm + count, Duration::from_secs(30), |_| {}).await?;
    let mut after = bounds(&service.metrics().await?);
    service.stop().await?;
    verify(stage, &traffic.model).await?;
    for (bound, count) in &mut after {
        *count -= before.iter().find(|(known, _)| known == bound).map_or(0, |(_, count)| *count);
    }
    ensure!(after.last().is_some_and(|(_, all)| *all == count), "the histogram has not counted every message");
    let p95 = after.iter().find(|(_, within)| within * 100 >= count * 95).map(|(bound, _)| bound.clone());
    let quarter = after.iter().find(|(bound, _)| bound == "0.25").map_or(0, |(_, within)| within * 1_000 / count);
    eprintln!("  P95 within {} s at {A_SECOND} a second", p95.as_deref().unwrap_or("?"));
    report.latency = Some((p95.unwrap_or_default(), quarter));
    Ok(())
}

fn bounds(metrics: &str) -> Bounds {
    let names = metrics.lines().filter_map(|line| Some(line.strip_prefix(HISTOGRAM)?.split_once('"')?.0.to_owned()));
    names.map(|bound| (bound.clone(), series(metrics, &format!("{HISTOGRAM}{bound}\"}}")))).collect()
}
