//! Metrics in Prometheus' text form over HTTP. Which metrics there are is decided by those who count.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use crate::listen::{ListenError, listen};
use crate::traces;

/// For histograms that nobody named, so that none becomes a summary, which cannot be added up over pods. Seconds.
const DEFAULT_BOUNDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A histogram and the upper bounds of its buckets, ascending, in the metric's unit.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    /// The metric's name.
    pub name: &'static str,
    /// Upper bounds; the one above all is added by itself.
    pub bounds: &'static [f64],
}

/// Metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A histogram without bounds, or a second recorder.
    #[error("metrics cannot be set up")]
    Setup(#[from] BuildError),
}

/// Records every metric of the process from now on and serves them at `http://addr/metrics` as long as it lives.
///
/// # Errors
/// [`MetricsError`]. Must be called within a Tokio runtime.
pub fn serve_metrics(addr: SocketAddr, histograms: &[Histogram]) -> Result<(), MetricsError> {
    // The exporter binds by itself but tells failures as text only.
    drop(listen(addr, "metrics")?);
    let mut builder = PrometheusBuilder::new().with_http_listener(addr).set_buckets(DEFAULT_BOUNDS)?;
    for histogram in histograms {
        builder = builder.set_buckets_for_metric(Matcher::Full(histogram.name.to_owned()), histogram.bounds)?;
    }
    let (recorder, server) = builder.build()?;
    metrics::set_global_recorder(recorder).map_err(BuildError::from)?;
    traces::register_metrics();
    tokio::spawn(async move {
        if server.await.is_err() {
            tracing::error!("the metrics server has ended");
        }
    });
    Ok(())
}
