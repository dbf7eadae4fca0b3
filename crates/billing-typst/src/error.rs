//! What can go wrong while an invoice is rendered. Decides nothing.

use typst::diag::SourceDiagnostic;

use crate::document::Locale;

/// Why there is no PDF. None of these goes away by trying again: they are mistakes in the input or in this crate.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The invoice has more lines and adjustments than one document may hold.
    #[error("invoice {invoice_number} has {lines} lines, more than the {limit} that a document may hold")]
    TooManyLines {
        /// Number of the refused invoice.
        invoice_number: String,
        /// How many lines it has.
        lines: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A value of the invoice cannot be printed.
    #[error("invoice {invoice_number} cannot be printed because of its {field}")]
    Unprintable {
        /// Number of the refused invoice.
        invoice_number: String,
        /// Which value: `issue date`, `minor digits`, `usage month`, `number of taxes` or `invoice id`.
        field: &'static str,
    },
    /// The invoice could not be handed to the template.
    #[error("invoice {invoice_number} cannot be written as template data")]
    Data {
        /// Number of the invoice.
        invoice_number: String,
        /// What the encoder says.
        #[source]
        source: serde_json::Error,
    },
    /// The template did not compile with this invoice.
    #[error("the template failed for invoice {invoice_number}: {diagnostics}")]
    Template {
        /// Number of the invoice.
        invoice_number: String,
        /// The compiler's messages, joined by `; `.
        diagnostics: String,
    },
    /// The pages could not be written as PDF/A.
    #[error("the PDF export failed for invoice {invoice_number}: {diagnostics}")]
    Export {
        /// Number of the invoice.
        invoice_number: String,
        /// The exporter's messages, joined by `; `.
        diagnostics: String,
    },
}

/// Why the parts that every document shares could not be prepared: the build itself is broken.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An embedded font cannot be read.
    #[error("the embedded font {name} cannot be read")]
    Font {
        /// File name of the font.
        name: &'static str,
    },
    /// An embedded locale file cannot be read.
    #[error("the embedded file of locale {locale:?} cannot be read")]
    Locale {
        /// Which locale.
        locale: Locale,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
    /// The name of an embedded template file or a PDF standard is refused by the typesetter.
    #[error("the typesetter refuses {what}: {reason}")]
    Typesetter {
        /// The refused thing.
        what: &'static str,
        /// The typesetter's words.
        reason: String,
    },
}

/// The messages of a compiler run in one line.
pub(crate) fn joined(diagnostics: &[SourceDiagnostic]) -> String {
    let messages: Vec<&str> = diagnostics.iter().map(|d| d.message.as_str()).collect();
    messages.join("; ")
}
