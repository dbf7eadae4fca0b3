//! All that a document can see while it is set: the template files, its data, the embedded fonts.
//!
//! There is no other file, no package, no environment and no clock, so a template cannot read or load anything.

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use crate::error::SetupError;
use crate::fonts::Fonts;

/// What every document shares.
pub(crate) struct Workshop {
    pub(crate) fonts: Fonts,
    library: LazyHash<Library>,
    invoice: Source,
    feet: Source,
    template: Source,
    data: FileId,
}

/// What of a document is set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// The pages without their feet.
    Invoice,
    /// The feet of the pages, on as many pages.
    Feet,
}

impl Workshop {
    pub(crate) fn open() -> Result<Self, SetupError> {
        Self::with_template(include_str!("../templates/invoice.typ"))
    }

    pub(crate) fn with_template(template: &str) -> Result<Self, SetupError> {
        Ok(Self {
            fonts: Fonts::load()?,
            library: LazyHash::new(Library::default()),
            invoice: Source::new(file_id("main.typ")?, include_str!("../templates/main.typ").to_owned()),
            feet: Source::new(file_id("feet.typ")?, include_str!("../templates/feet.typ").to_owned()),
            template: Source::new(file_id("invoice.typ")?, template.to_owned()),
            data: file_id("data.json")?,
        })
    }

    fn main(&self, part: Part) -> &Source {
        match part {
            Part::Invoice => &self.invoice,
            Part::Feet => &self.feet,
        }
    }
}

/// What one document sees.
pub(crate) struct Desk<'a> {
    pub(crate) workshop: &'a Workshop,
    pub(crate) part: Part,
    /// The contents of `data.json`.
    pub(crate) data: Bytes,
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.workshop.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.workshop.fonts.book()
    }

    fn main(&self) -> FileId {
        self.workshop.main(self.part).id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        [self.workshop.main(self.part), &self.workshop.template]
            .into_iter()
            .find(|source| source.id() == id)
            .cloned()
            .ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.workshop.data { Ok(self.data.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.workshop.fonts.get(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

fn file_id(name: &'static str) -> Result<FileId, SetupError> {
    let path = VirtualPath::new(name).map_err(|e| SetupError::Typesetter { what: name, reason: format!("{e:?}") })?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_can_be_seen() {
        let workshop = Workshop::open().unwrap();
        let desk = Desk { workshop: &workshop, part: Part::Invoice, data: Bytes::new(b"{}") };
        for name in ["etc/passwd", "invoice.json", "data.json/x", "feet.typ"] {
            let id = file_id(name).unwrap();
            assert_eq!(desk.source(id).err(), Some(FileError::AccessDenied), "{name}");
            assert_eq!(desk.file(id), Err(FileError::AccessDenied), "{name}");
        }
        assert!(desk.file(workshop.data).is_ok());
        assert!(desk.file(workshop.invoice.id()).is_err(), "sources are not data");
        assert!(desk.source(workshop.invoice.id()).is_ok() && desk.source(workshop.template.id()).is_ok());
        assert_eq!(desk.today(None), None);
        assert!(desk.font(99).is_none());
    }
}
