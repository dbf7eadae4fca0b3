//! The cache on a real cluster, and without one.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use billing_domain::PriceBook;
use billing_domain::ports::{PriceBookCache as _, Snapshot};
use billing_domain::pricing::sample_price;
use billing_redis::{ERRORS_METRIC, RedisCache};
use billing_testing::certificates::trusting_nobody;
use metrics_exporter_prometheus::PrometheusBuilder;
use uuid::Uuid;

const VERSION: i64 = 17;

/// A cache whose keys no other test has.
fn cache() -> RedisCache {
    let urls = std::env::var("BILLING_TEST_REDIS_URLS")
        .expect("BILLING_TEST_REDIS_URLS is not set: run these tests by `cargo xtask test`");
    let urls: Vec<_> = urls.split(',').map(str::to_owned).collect();
    RedisCache::connect(&urls, &format!("billing:pricing:test-{}:", Uuid::new_v4()), trusting_nobody()).unwrap()
}

fn book(unit_price: &str) -> PriceBook {
    PriceBook::build(VERSION, vec![(&sample_price(unit_price).unwrap()).into()], vec![]).unwrap()
}

/// Offers it until the connection, which is made in the background, is there.
async fn publish(cache: &RedisCache, snapshot: &Snapshot) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = cache.publish(snapshot).await {
        assert!(Instant::now() < deadline, "{error:?}");
    }
}

#[tokio::test]
async fn what_was_published_is_fetched_by_its_hash_only() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (cache, right, wrong) = (cache(), book("0.012"), book("0.000001"));
    let (right_bytes, wrong_bytes) = (cache.snapshot(&right).unwrap(), cache.snapshot(&wrong).unwrap());
    assert_eq!(cache.snapshot(&right).unwrap(), right_bytes);

    publish(&cache, &right_bytes).await;
    for (version, sha256, expected) in [
        (VERSION, right_bytes.sha256, Some(&right)),
        (VERSION + 1, right_bytes.sha256, None),
        (VERSION, wrong_bytes.sha256, None),
    ] {
        assert_eq!(cache.fetch(version, sha256).await.unwrap().as_ref(), expected);
    }
    // Wrong prices, and bytes that are none, under the right key.
    for poison in [wrong_bytes.bytes.clone(), b"\0 poison".to_vec()] {
        publish(&cache, &Snapshot { bytes: poison, ..right_bytes.clone() }).await;
        assert_eq!(cache.fetch(VERSION, right_bytes.sha256).await.unwrap(), None);
    }
    let line = format!("{ERRORS_METRIC}{{op=\"poisoned\"}} 3");
    assert!(counted.render().contains(&line), "{}", counted.render());
}

#[tokio::test]
async fn a_book_too_large_is_not_offered() {
    let cache = cache();
    let snapshot = Snapshot { version: 1, bytes: vec![b'x'; 16 * 1024 * 1024 + 1], sha256: [0; 32] };
    assert_eq!(cache.publish(&snapshot).await.unwrap_err().operation, "oversized");
}

#[tokio::test]
async fn a_cluster_that_is_down_or_silent_costs_a_bounded_time() {
    // Listens, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let began = Instant::now();
        let cache =
            RedisCache::connect(&[format!("redis://{address}")], "billing:pricing:", trusting_nobody()).unwrap();
        assert_eq!(cache.fetch(1, [0; 32]).await.unwrap_err().operation, "fetch");
        // Far above the limit of a command, far below any default of the client.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
