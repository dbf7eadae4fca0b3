//! The renderer of documents as the API uses it: made when the first document is asked for, and one document at a time.
//!
//! Most pods never render: fonts and templates would be memory for nothing.

use std::sync::Arc;

use billing_domain::invoicing::InvoiceDocument;
use billing_domain::ports::{InvoiceRenderer, PortError, RenderedDocument};
use billing_typst::TypstRenderer;
use tokio::sync::{OnceCell, Semaphore};

/// Documents at once. One takes some ten milliseconds, and a large one hundreds of megabytes.
const TURNS: usize = 1;

/// Renders documents, off the threads that answer requests. Cheap to clone; clones share the turns.
#[derive(Clone)]
pub(crate) struct LazyRenderer(Arc<Shared>);

struct Shared {
    made: OnceCell<TypstRenderer>,
    turns: Semaphore,
}

impl LazyRenderer {
    /// Makes nothing yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { made: OnceCell::new(), turns: Semaphore::new(TURNS) }))
    }
}

impl InvoiceRenderer for LazyRenderer {
    const TEMPLATE: &'static str = TypstRenderer::TEMPLATE;

    async fn render(&self, document: InvoiceDocument) -> Result<RenderedDocument, PortError> {
        const OPERATION: &str = "make_renderer";
        // The semaphore is never closed.
        let _turn = self.0.turns.acquire().await;
        let make = async || {
            let made = tokio::task::spawn_blocking(TypstRenderer::new).await;
            let made = made.map_err(|error| PortError::permanent(OPERATION, error))?;
            made.map_err(|error| PortError::permanent(OPERATION, error))
        };
        self.0.made.get_or_try_init(make).await?.render(document).await
    }
}
