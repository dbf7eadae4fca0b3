//! Sets an invoice and writes it as PDF/A. Decides the limits, the PDF standard and what makes the bytes repeatable.

use serde::Serialize;
use typst::diag::{SourceDiagnostic, Warned};
use typst::ecow::EcoVec;
use typst::foundations::{Bytes, Datetime, Smart};
use typst::layout::Point;
use typst::model::Document as _;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::document::InvoiceDocument;
use crate::error::{RenderError, SetupError, joined};
use crate::locale::Locales;
use crate::pack::pack;
use crate::view::{Feet, View};
use crate::world::{Desk, Part, Workshop};

/// The most lines and adjustments that one document may hold. That many take about two seconds and 400 MB, 200 lines 50 ms and 50 MB.
pub const MAX_LINES: usize = 5_000;

/// Up to so many lines and adjustments, what the typesetter has kept in mind is worth keeping.
const SMALL_MAX: usize = 50;

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
        let _evict = EvictOnDrop::after(document.lines.len() + document.adjustments.len());
        let options = self.options(document)?;
        let (pages, warnings) = self.layout(document)?;
        if !warnings.is_empty() {
            tracing::warn!(document.invoice_number, warnings = joined(&warnings), "the template has warnings");
        }
        typst_pdf::pdf(&pages, &options).map(pack).map_err(|e| RenderError::Export {
            invoice_number: document.invoice_number.clone(),
            diagnostics: joined(&e),
        })
    }

    /// What the template is given, as JSON: for measurements, and for work on the template without this crate.
    ///
    /// # Errors
    /// As [`render`](Self::render) for what cannot be printed.
    pub fn template_data(&self, document: &InvoiceDocument) -> Result<Vec<u8>, RenderError> {
        check_lines(&document.invoice_number, document.lines.len() + document.adjustments.len())?;
        encode(document, &View::new(document, &self.workshop.fonts, self.locales.get(document.locale))?)
    }

    /// The pages before they are written as PDF, and what the compiler warns of.
    fn layout(&self, document: &InvoiceDocument) -> Result<(PagedDocument, EcoVec<SourceDiagnostic>), RenderError> {
        let (pages, mut warnings) = self.compile(document, Part::Invoice, self.template_data(document)?)?;
        let feet = Feet::new(document, pages.pages().len(), &self.workshop.fonts, self.locales.get(document.locale));
        let (feet, more) = self.compile(document, Part::Feet, encode(document, &feet)?)?;
        warnings.extend(more);
        Ok((with_feet(&pages, &feet), warnings))
    }

    fn compile(
        &self,
        document: &InvoiceDocument,
        part: Part,
        data: Vec<u8>,
    ) -> Result<(PagedDocument, EcoVec<SourceDiagnostic>), RenderError> {
        let desk = Desk { workshop: &self.workshop, part, data: Bytes::new(data) };
        let Warned { output, warnings } = typst::compile::<PagedDocument>(&desk);
        output.map(|pages| (pages, warnings)).map_err(|e| RenderError::Template {
            invoice_number: document.invoice_number.clone(),
            diagnostics: joined(&e),
        })
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

/// Refuses what no document may hold, before anything is made of it.
pub(crate) fn check_lines(invoice_number: &str, lines: usize) -> Result<(), RenderError> {
    if lines > MAX_LINES {
        let invoice_number = invoice_number.to_owned();
        return Err(RenderError::TooManyLines { invoice_number, lines, limit: MAX_LINES });
    }
    Ok(())
}

fn encode(document: &InvoiceDocument, data: &impl Serialize) -> Result<Vec<u8>, RenderError> {
    serde_json::to_vec(data)
        .map_err(|source| RenderError::Data { invoice_number: document.invoice_number.clone(), source })
}

/// The pages with their feet drawn on them.
///
/// A template that asks how many pages there are is laid out again when it is known: a tenth of all work. So the feet are
/// set by themselves afterwards.
fn with_feet(pages: &PagedDocument, feet: &PagedDocument) -> PagedDocument {
    let mut joined = EcoVec::from(pages.pages());
    for (page, foot) in joined.make_mut().iter_mut().zip(feet.pages()) {
        page.frame.push_frame(Point::zero(), foot.frame.clone());
    }
    PagedDocument::new(joined, pages.info().clone())
}

/// Empties the typesetter's global cache when a rendering ends, however it ends.
///
/// Without this the process grows with every document. What a small document has left is kept until the next one ends:
/// fonts, rules of shaping and the template are the same then, a tenth of its work. What a large one leaves is a hundred times
/// as much, and little of it is of use again. Another thread's rendering at most computes a part twice.
struct EvictOnDrop {
    keeps: bool,
}

impl EvictOnDrop {
    fn after(lines: usize) -> Self {
        Self { keeps: lines <= SMALL_MAX }
    }
}

impl Drop for EvictOnDrop {
    fn drop(&mut self) {
        comemo::evict(usize::from(self.keeps));
    }
}

#[cfg(test)]
mod tests;
