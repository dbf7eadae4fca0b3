//! The contract of the cache, on a real cluster.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use billing_domain::ports::{PriceBookCache as _, Snapshot};
use billing_redis::RedisCache;
use billing_testing::certificates::trusting_nobody;
use uuid::Uuid;

/// A cache whose keys no other test has, once its connection is there.
async fn connected() -> RedisCache {
    let urls = std::env::var("BILLING_TEST_REDIS_URLS")
        .expect("BILLING_TEST_REDIS_URLS is not set: run these tests by `cargo xtask test`");
    let urls: Vec<_> = urls.split(',').map(str::to_owned).collect();
    let cache =
        RedisCache::connect(&urls, &format!("billing:pricing:test-{}:", Uuid::new_v4()), trusting_nobody()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let anything = Snapshot { version: 0, bytes: b"anything".to_vec(), sha256: [0; 32] };
    while let Err(error) = cache.publish(&anything).await {
        assert!(Instant::now() < deadline, "{error:?}");
    }
    cache
}

#[tokio::test]
async fn price_book_cache() {
    billing_testing::contracts::price_book_cache(connected).await;
}
