//! The typesetter alone on the same templates: no cleaning of texts, no feet, no packing of the file, no hash, no task of
//! an async runtime. What it is given is made before the clock runs.

use std::error::Error;
use std::time::{Duration, Instant};

use billing_typst::{InvoiceDocument, Renderer};
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration as Offset, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

const FONTS: [&[u8]; 4] = [
    include_bytes!("../../fonts/Inter-Regular.otf"),
    include_bytes!("../../fonts/Inter-SemiBold.otf"),
    include_bytes!("../../fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansArabic-Bold.ttf"),
];

/// A warm typesetter.
pub(crate) struct Bare {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: Source,
    template: Source,
    data: Bytes,
    standards: PdfStandards,
}

impl Bare {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let fonts: Vec<Font> = FONTS.into_iter().filter_map(|font| Font::new(Bytes::new(font), 0)).collect();
        Ok(Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
            main: Source::new(file_id("main.typ")?, include_str!("../../templates/main.typ").to_owned()),
            template: Source::new(file_id("invoice.typ")?, include_str!("../../templates/invoice.typ").to_owned()),
            data: Bytes::new(Vec::new()),
            standards: PdfStandards::new(&[PdfStandard::A_3a]).map_err(|error| error.message().to_string())?,
        })
    }

    /// How long the typesetter takes.
    pub(crate) fn render(&mut self, data: &Renderer, document: &InvoiceDocument) -> Result<Duration, Box<dyn Error>> {
        self.data = Bytes::new(data.template_data(document)?);
        let options = PdfOptions {
            ident: Smart::Custom(document.invoice_id.clone()),
            timestamp: Datetime::from_ymd_hms(2026, 11, 1, 0, 0, 0).map(Timestamp::new_utc),
            standards: self.standards.clone(),
            ..PdfOptions::default()
        };
        let begun = Instant::now();
        let pages = typst::compile::<PagedDocument>(&*self).output.map_err(|errors| format!("{errors:?}"))?;
        let pdf = typst_pdf::pdf(&pages, &options).map_err(|errors| format!("{errors:?}"))?;
        drop((pages, pdf));
        // As our renderer does after so few lines.
        comemo::evict(usize::from(document.lines.len() <= 50));
        Ok(begun.elapsed())
    }
}

impl World for Bare {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let known = [&self.main, &self.template].into_iter().find(|source| source.id() == id);
        known.cloned().ok_or(FileError::AccessDenied)
    }

    fn file(&self, _id: FileId) -> FileResult<Bytes> {
        Ok(self.data.clone())
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Offset>) -> Option<Datetime> {
        None
    }
}

fn file_id(name: &str) -> Result<FileId, Box<dyn Error>> {
    let path = VirtualPath::new(name).map_err(|error| format!("{error:?}"))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}
