//! Rating one event against a book of 100,000 prices, beside going through every price and a map by key texts.
//!
//! Without arguments of its own it measures times. `--facts` prints what is counted, one `name=value` a line: prices,
//! bytes, allocations. `--instructions book|map|scan` rates a number of events in the function `counted` and prints
//! how many, for a tool that counts instructions.
#![allow(clippy::expect_used, clippy::panic, reason = "what a measurement cannot do without, it says so and ends")]
#![allow(clippy::print_stdout, reason = "the numbers are read from there")]

mod baselines;
mod sample;

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use billing_domain::PriceBook;
use billing_domain::pricing::Rating;
use billing_domain::usage::UsageEvent;
use criterion::{BatchSize, Criterion, Throughput};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use baselines::{ByText, Scan};
use sample::{EVENTS, PRICES, Sample};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A tool that counts instructions is fifty times slower, and a scan takes half a million of them.
const EVENTS_OF_SCAN: usize = 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--facts") => print_facts(),
        Some("--instructions") => count_instructions(&arguments.next().unwrap_or_default()),
        _ => measure_times(),
    }
}

fn build(sample: Sample) -> PriceBook {
    PriceBook::build(1, sample.prices, sample.costs).expect("periods do not overlap")
}

fn measure_times() {
    let (book, sample) = (build(Sample::new()), Sample::new());
    let (mut map, scan) = (ByText::new(&sample.prices, &sample.costs), Scan::new(&sample.prices, &sample.costs));
    let events = &sample.events;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rating");
    group.throughput(Throughput::Elements(u64::try_from(EVENTS).expect("fits")));
    group.bench_function("book", |bench| bench.iter(|| counted(events, |event| rate(&book, event))));
    group.bench_function("map", |bench| bench.iter(|| counted(events, |event| map.rate(event))));
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(3));
    let mut next = events.chunks(1).cycle();
    group.bench_function("scan", |bench| {
        bench.iter(|| counted(next.next().expect("a cycle has no end"), |event| scan.rate(event)));
    });
    group.throughput(Throughput::Elements(u64::try_from(PRICES).expect("fits")));
    group.bench_function("build", |bench| {
        let inputs = || (sample.prices.clone(), sample.costs.clone());
        bench.iter_batched(inputs, |(prices, costs)| PriceBook::build(1, prices, costs), BatchSize::PerIteration);
    });
    group.finish();
    criterion.final_summary();
}

/// Also fails unless all three agree on every event, and rating allocates nothing.
fn print_facts() {
    let region = Region::new(ALLOCATOR);
    let book = build(Sample::new());
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;

    let sample = Sample::new();
    let region = Region::new(ALLOCATOR);
    counted(&sample.events, |event| rate(&book, event));
    let allocations = region.change().allocations + region.change().reallocations;
    assert_eq!(allocations, 0, "rating allocates nothing");

    let (mut map, scan) = (ByText::new(&sample.prices, &sample.costs), Scan::new(&sample.prices, &sample.costs));
    let mut rated = 0;
    for event in &sample.events {
        let found = rate(&book, event);
        assert_eq!(found, map.rate(event), "the map says otherwise of {event:?}");
        assert_eq!(found, scan.rate(event), "going through all says otherwise of {event:?}");
        rated += usize::from(found != Rating::NoPrice);
    }
    println!("prices={}\nevents={EVENTS}\nrated={rated}\nbytes={bytes}\nallocations={allocations}", book.price_count());
}

fn count_instructions(of: &str) {
    let (book, sample) = (build(Sample::new()), Sample::new());
    let events = &sample.events;
    let events = match of {
        "book" => counted(events, |event| rate(&book, event)),
        "map" => {
            let mut map = ByText::new(&sample.prices, &sample.costs);
            counted(events, |event| map.rate(event))
        }
        "scan" => {
            let scan = Scan::new(&sample.prices, &sample.costs);
            counted(&events[..EVENTS_OF_SCAN], |event| scan.rate(event))
        }
        _ => panic!("--instructions takes book, map or scan"),
    };
    println!("events={events}");
}

fn rate(book: &PriceBook, event: &UsageEvent) -> Rating {
    book.rate(event).expect("no overflow")
}

/// Rates every event; how many there were.
#[inline(never)]
fn counted(events: &[UsageEvent], mut rate: impl FnMut(&UsageEvent) -> Rating) -> usize {
    for event in events {
        black_box(rate(black_box(event)));
    }
    events.len()
}
