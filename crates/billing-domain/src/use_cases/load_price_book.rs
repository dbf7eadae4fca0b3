//! Getting the current price book: from memory, from the cache, or from the store, in that order.

use std::sync::Arc;

use crate::PriceBook;
use crate::ports::{PortError, PriceBookCache, PriceBookStore};

/// Where the book came from; the name is the metric's label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BookSource {
    /// The one at hand is current.
    Memory,
    /// The cache had the snapshot whose hash the store records.
    Cache,
    /// The store.
    Db,
}

impl BookSource {
    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Db => "db",
        }
    }
}

/// The current price book.
///
/// The cache spares the store the load of many pods that start at once. It is never trusted: no answer, a wrong
/// answer and a failure all lead to the store, and a failed publication is no failure.
///
/// # Errors
/// When the store fails.
pub async fn load_price_book(
    store: &impl PriceBookStore,
    cache: &impl PriceBookCache,
    known: Option<Arc<PriceBook>>,
) -> Result<(Arc<PriceBook>, BookSource), PortError> {
    let stamp = store.stamp().await?;
    if let Some(known) = known.filter(|known| known.version() == stamp.version) {
        return Ok((known, BookSource::Memory));
    }
    if let Some(sha256) = stamp.snapshot_sha256
        && let Ok(Some(book)) = cache.fetch(stamp.version, sha256).await
        && book.version() == stamp.version
    {
        return Ok((Arc::new(book), BookSource::Cache));
    }
    let book = store.book().await?;
    if let Ok(snapshot) = cache.snapshot(&book) {
        // The hash first: bytes that nobody vouches for are of no use to anyone.
        store.pin_snapshot(snapshot.version, snapshot.sha256).await?;
        let _unpublished = cache.publish(&snapshot).await;
    }
    Ok((Arc::new(book), BookSource::Db))
}
