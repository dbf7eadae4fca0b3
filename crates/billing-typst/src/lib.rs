//! Invoices as PDF: an [`InvoiceDocument`] goes in, the bytes of a tagged PDF/A-3a file come out.
//!
//! Decides how an invoice looks and how names, numbers and dates are written. Does not decide what an invoice says
//! (numbers, amounts and dates come finished), and does not store or send it.

mod adjustments;
mod chart;
mod document;
mod error;
mod fonts;
mod format;
mod invoice_renderer;
mod locale;
mod pack;
#[cfg(test)]
mod pdf_text;
mod qr;
mod renderer;
mod text;
mod view;
mod world;

pub use document::{Credited, DocumentAdjustment, DocumentLine, InvoiceDocument, Locale, Party, TaxLine};
pub use error::{RenderError, SetupError};
pub use invoice_renderer::TypstRenderer;
pub use renderer::{MAX_LINES, Renderer};

// The samples are an example's, which knows this crate by its name.
#[cfg(test)]
extern crate self as billing_typst;
#[cfg(test)]
#[path = "../examples/samples/mod.rs"]
mod samples;
