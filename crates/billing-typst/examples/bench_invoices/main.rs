//! Measures the rendering of invoices for `cargo xtask bench documents`, which says what the figures mean.
//!
//! `measure <documents>`: as many of 15 and of 200 lines, the whole renderer and the bare typesetter in turns; a JSON object
//! a size on a line. `soak <documents>`: as many, each another one; how much memory is resident now and then.

mod bare;
#[path = "../samples/mod.rs"]
mod samples;

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use billing_typst::{InvoiceDocument, Renderer, TypstRenderer};
use serde_json::json;

use bare::Bare;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Documents before those that count.
const WARM_UP: usize = 5;
/// How often a soak tells.
const TOLD: usize = 50;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (task, count) = (args.next(), args.next().and_then(|count| count.parse::<usize>().ok()));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    match (task.as_deref(), count) {
        (Some("measure"), Some(count)) => ["fifteen-lines", "two-hundred-lines"]
            .into_iter()
            .try_for_each(|name| runtime.block_on(measure(&sample(name)?, count))),
        (Some("soak"), Some(count)) => runtime.block_on(soak(count)),
        _ => Err("usage: bench_invoices measure|soak <documents>".into()),
    }
}

/// The whole and the bare one do the same kind of document in turns, never the same one: both use one cache.
async fn measure(document: &InvoiceDocument, count: usize) -> Outcome<()> {
    let (whole, data) = (TypstRenderer::new()?, Renderer::new()?);
    let mut bare = Bare::new()?;
    let (mut whole_times, mut bare_times, mut bytes) = (Vec::new(), Vec::new(), 0);
    for turn in 0..WARM_UP + count {
        let other = varied(document, 2 * turn + 1);
        let begun = Instant::now();
        bytes = whole.render_document(varied(document, 2 * turn)).await?.bytes.len();
        whole_times.push(begun.elapsed());
        bare_times.push(bare.render(&data, &other)?);
    }
    let micros = |times: Vec<Duration>| {
        let micros: Vec<u128> = times.into_iter().skip(WARM_UP).map(|time| time.as_micros()).collect();
        micros
    };
    let figures = json!({
        "lines": document.lines.len(),
        "bytes": bytes,
        "whole_us": micros(whole_times),
        "bare_us": micros(bare_times),
    });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(())
}

/// Mostly small documents, now and then a larger one, as in a month's run.
async fn soak(count: usize) -> Outcome<()> {
    let renderer = TypstRenderer::new()?;
    let (small, middle, large) = (sample("two-lines")?, sample("fifteen-lines")?, sample("two-hundred-lines")?);
    for turn in 0..count {
        let document = match turn % 20 {
            0 => &large,
            1..6 => &middle,
            _ => &small,
        };
        renderer.render_document(varied(document, turn)).await?;
        let done = turn + 1;
        if done * TOLD / count > turn * TOLD / count {
            writeln!(std::io::stdout(), "{}", json!({ "documents": done, "resident_kib": resident_kib()? }))?;
        }
    }
    Ok(())
}

fn sample(name: &str) -> Outcome<InvoiceDocument> {
    let found = samples::all().into_iter().find(|(known, _)| *known == name);
    Ok(found.ok_or("no such sample")?.1)
}

/// As another customer's: nothing that differs between invoices is the same.
fn varied(document: &InvoiceDocument, turn: usize) -> InvoiceDocument {
    let mut document = document.clone();
    document.invoice_number = format!("INV-2026-{turn:06}");
    document.invoice_id = format!("0193b2a8-7d1c-7c4e-9a52-{turn:012}");
    document.customer.name = format!("Customer {turn} of Kabul");
    let more = u64::try_from(turn).unwrap_or_default();
    for (line, place) in document.lines.iter_mut().zip(1..) {
        line.messages += more * 31 + place;
        line.segments += more * 37 + place;
        line.amount_minor += i128::from(more * 37 + place);
    }
    for (_, messages) in &mut document.daily {
        *messages += more % 977;
    }
    document
}

fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident memory is told")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
