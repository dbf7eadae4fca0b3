//! The fakes of `PriceBookStore` and `PriceBookCache`. A snapshot's bytes are text that is only ever compared.

use billing_domain::PriceBook;
use billing_domain::ports::{BookStamp, PortError, PriceBookCache, PriceBookStore, Snapshot};
use billing_domain::pricing::{BookCost, BookPrice};
use sha2::{Digest as _, Sha256};

use crate::memory::{Dated, Flaw, Memory, State};

impl PriceBookStore for Memory {
    async fn stamp(&self) -> Result<BookStamp, PortError> {
        let state = self.open("price_book_stamp")?;
        let version = state.book_version();
        let pinned = state.pinned.filter(|(of, _)| *of == version);
        Ok(BookStamp { version, snapshot_sha256: pinned.map(|(_, sha256)| sha256) })
    }

    async fn book(&self) -> Result<PriceBook, PortError> {
        let state = self.open("price_book")?;
        let prices = state.prices.values().filter(|stored| !stored.row.is_cancelled());
        let prices = prices.map(|stored| BookPrice::from(&stored.row)).collect();
        let costs = state.costs.values().filter(|stored| !stored.row.is_cancelled());
        let costs = costs.map(|stored| BookCost::from(&stored.row)).collect();
        PriceBook::build(state.book_version(), prices, costs).map_err(|error| PortError::permanent("price_book", error))
    }

    async fn pin_snapshot(&self, version: i64, sha256: [u8; 32]) -> Result<(), PortError> {
        let mut state = self.open("pin_snapshot")?;
        let is_pinned = state.pinned.is_some_and(|(of, _)| of == version);
        if version == state.book_version() && !is_pinned {
            state.pinned = Some((version, sha256));
        }
        Ok(())
    }
}

impl PriceBookCache for Memory {
    async fn fetch(&self, version: i64, sha256: [u8; 32]) -> Result<Option<PriceBook>, PortError> {
        let state = self.open("fetch_snapshot")?;
        let Some(found) = state.snapshots.get(&version) else { return Ok(None) };
        let hash = <[u8; 32]>::from(Sha256::digest(&found.bytes));
        let is_wanted = hash == sha256 || state.has(Flaw::BelievesTheCache);
        Ok(state.books.get(&hash).filter(|_| is_wanted).cloned())
    }

    fn snapshot(&self, book: &PriceBook) -> Result<Snapshot, PortError> {
        let mut state = self.open("snapshot")?;
        let (prices, costs): (Vec<_>, Vec<_>) = (book.prices().collect(), book.costs().collect());
        let bytes = format!("{} {prices:?} {costs:?}", book.version()).into_bytes();
        let sha256 = Sha256::digest(&bytes).into();
        state.books.insert(sha256, book.clone());
        Ok(Snapshot { version: book.version(), bytes, sha256 })
    }

    async fn publish(&self, snapshot: &Snapshot) -> Result<(), PortError> {
        self.open("publish_snapshot")?.snapshots.insert(snapshot.version, snapshot.clone());
        Ok(())
    }
}

impl State {
    /// 1, and one more with every change.
    pub(crate) fn book_version(&self) -> i64 {
        if self.has(Flaw::KeepsVersion) { 1 } else { 1 + self.prices.changes + self.costs.changes }
    }
}
