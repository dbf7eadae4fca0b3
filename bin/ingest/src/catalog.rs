//! What rating needs to know, shared by everyone who rates: the price book and the directory of accounts, each at one
//! version. Whether they are current is decided by the ledger when something is recorded.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use billing_domain::PriceBook;
use billing_domain::ports::{Accounts, PortError, PriceBookCache, PriceBookStore};
use billing_domain::usage::AccountDirectory;
use billing_domain::use_cases::load_price_book;
use tokio::sync::Mutex;

use crate::metrics;

/// One book and one directory.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) book: Arc<PriceBook>,
    pub(crate) directory: Arc<AccountDirectory>,
}

impl Known {
    /// Both versions.
    pub(crate) fn versions(&self) -> (i64, i64) {
        (self.book.version(), self.directory.version())
    }
}

/// The last known book and directory, and where to get them.
pub(crate) struct Catalog<S, C> {
    store: S,
    cache: C,
    last: RwLock<Option<Arc<Known>>>,
    loading: Mutex<()>,
}

impl<S: PriceBookStore + Accounts, C: PriceBookCache> Catalog<S, C> {
    pub(crate) fn new(store: S, cache: C) -> Self {
        Self { store, cache, last: RwLock::default(), loading: Mutex::default() }
    }

    /// What is at hand, or the current versions when nothing is yet.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn at_hand(&self) -> Result<Arc<Known>, PortError> {
        match self.last() {
            Some(known) => Ok(known),
            None => self.newer_than(None).await,
        }
    }

    /// The current versions, for who has found `stale` to be out of date. When many find that at once, one asks.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn newer_than(&self, stale: Option<&Arc<Known>>) -> Result<Arc<Known>, PortError> {
        let _one_at_a_time = self.loading.lock().await;
        match (self.last(), stale) {
            (Some(last), None) => Ok(last),
            (Some(last), Some(stale)) if !Arc::ptr_eq(&last, stale) => Ok(last),
            (last, _) => self.load(last).await,
        }
    }

    /// The current versions, asked for anew.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn refresh(&self) -> Result<Arc<Known>, PortError> {
        let _one_at_a_time = self.loading.lock().await;
        self.load(self.last()).await
    }

    async fn load(&self, last: Option<Arc<Known>>) -> Result<Arc<Known>, PortError> {
        let began = Instant::now();
        let book = last.as_ref().map(|known| Arc::clone(&known.book));
        let (book, source) = load_price_book(&self.store, &self.cache, book).await?;
        metrics::count_book(source, began.elapsed());
        let directory_version = self.store.directory_version().await?;
        let at_hand = last.as_ref().filter(|known| known.directory.version() == directory_version);
        let directory = match at_hand {
            Some(known) => Arc::clone(&known.directory),
            None => Arc::new(self.store.directory().await?),
        };
        let known = Arc::new(Known { book, directory });
        if let Some(last) = last.filter(|last| last.versions() == known.versions()) {
            return Ok(last);
        }
        let (book_version, directory_version) = known.versions();
        let (prices, costs) = (known.book.price_count(), known.book.cost_count());
        tracing::debug!(book_version, source = source.name(), prices, costs, directory_version, "loaded");
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    fn last(&self) -> Option<Arc<Known>> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
