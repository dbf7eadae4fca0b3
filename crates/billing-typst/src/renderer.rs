//! Sets an invoice and writes it as PDF/A. Decides the limits, the PDF standard and what makes the bytes repeatable.

use typst::diag::Warned;
use typst::foundations::{Bytes, Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::document::InvoiceDocument;
use crate::error::{RenderError, SetupError, joined};
use crate::locale::Locales;
use crate::pack::pack;
use crate::view::View;
use crate::world::{Desk, Workshop};

/// The most lines and adjustments that one document may hold. That many take about two seconds and 400 MB, 200 lines 50 ms and 50 MB.
pub const MAX_LINES: usize = 5_000;

/// Renders invoices. Holds the fonts, the template and the typesetter's library; make one and share it.
///
/// Rendering blocks and computes for milliseconds to seconds: call it off the threads that drive async tasks
/// (`spawn_blocking`). It reads no file, no clock and no environment. Any number of threads may render at once.
pub struct Renderer {
    workshop: Workshop,
    locales: Locales,
    standards: PdfStandards,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").finish_non_exhaustive()
    }
}

impl Renderer {
    /// Parses what is embedded in this crate.
    ///
    /// # Errors
    /// Only if the crate was built with a broken font, locale file or template name.
    pub fn new() -> Result<Self, SetupError> {
        // Level A means tagged: headings, table cells and texts can be read in order by a machine. Part 3 may carry
        // attachments, such as an e-invoice in XML.
        let standards = PdfStandards::new(&[PdfStandard::A_3a])
            .map_err(|e| SetupError::Typesetter { what: "PDF/A-3a", reason: e.message().to_string() })?;
        Ok(Self { workshop: Workshop::open()?, locales: Locales::load()?, standards })
    }

    /// The invoice as a PDF/A-3a file. The same document gives the same bytes, on every machine.
    ///
    /// # Errors
    /// [`RenderError::TooManyLines`] above [`MAX_LINES`], [`RenderError::Unprintable`] for a value that makes no
    /// sense on paper; the rest are mistakes in this crate. Trying again never helps.
    pub fn render(&self, document: &InvoiceDocument) -> Result<Vec<u8>, RenderError> {
        let _evict = EvictOnDrop;
        let options = self.options(document)?;
        let Warned { output: pages, warnings } = self.layout(document)?;
        if !warnings.is_empty() {
            tracing::warn!(document.invoice_number, warnings = joined(&warnings), "the template has warnings");
        }
        typst_pdf::pdf(&pages, &options).map(pack).map_err(|e| RenderError::Export {
            invoice_number: document.invoice_number.clone(),
            diagnostics: joined(&e),
        })
    }

    /// The pages before they are written as PDF.
    fn layout(&self, document: &InvoiceDocument) -> Result<Warned<PagedDocument>, RenderError> {
        let invoice_number = || document.invoice_number.clone();
        let lines = document.lines.len() + document.adjustments.len();
        if lines > MAX_LINES {
            return Err(RenderError::TooManyLines { invoice_number: invoice_number(), lines, limit: MAX_LINES });
        }
        let view = View::new(document, &self.workshop.fonts, self.locales.get(document.locale))?;
        let data = serde_json::to_vec(&view)
            .map_err(|source| RenderError::Data { invoice_number: invoice_number(), source })?;
        let desk = Desk { workshop: &self.workshop, data: Bytes::new(data) };
        let Warned { output, warnings } = typst::compile::<PagedDocument>(&desk);
        match output {
            Ok(output) => Ok(Warned { output, warnings }),
            Err(e) => Err(RenderError::Template { invoice_number: invoice_number(), diagnostics: joined(&e) }),
        }
    }

    /// Nothing in the file's metadata may depend on when or where it is made.
    fn options(&self, document: &InvoiceDocument) -> Result<PdfOptions, RenderError> {
        let day = document.issue_date;
        let part = |n: i8| u8::try_from(n).ok();
        let issued = part(day.month())
            .zip(part(day.day()))
            .and_then(|(month, dom)| Datetime::from_ymd_hms(i32::from(day.year()), month, dom, 0, 0, 0))
            .ok_or_else(|| RenderError::Unprintable {
                invoice_number: document.invoice_number.clone(),
                field: "issue date",
            })?;
        Ok(PdfOptions {
            ident: Smart::Custom(document.invoice_id.clone()),
            creator: Smart::Custom(Some("billing-service".to_owned())),
            timestamp: Some(Timestamp::new_utc(issued)),
            standards: self.standards.clone(),
            ..PdfOptions::default()
        })
    }
}

/// Empties the typesetter's global cache when a rendering ends, however it ends.
///
/// Without this the process grows with every document. To keep what the last document used saves a millisecond of the
/// smallest ones and costs more than that with larger ones. Another thread's rendering at most computes a part twice.
struct EvictOnDrop;

impl Drop for EvictOnDrop {
    fn drop(&mut self) {
        comemo::evict(0);
    }
}

#[cfg(test)]
mod tests;
