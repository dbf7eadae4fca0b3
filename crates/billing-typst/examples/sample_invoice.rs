//! Writes sample invoices as PDF files into the folder that is given as an argument, to be looked at.

mod samples;

use std::error::Error;
use std::path::PathBuf;

use billing_typst::Renderer;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: sample_invoice <folder>")?);
    std::fs::create_dir_all(&folder)?;
    let renderer = Renderer::new()?;
    for (name, document) in samples::all() {
        std::fs::write(folder.join(format!("{name}.pdf")), renderer.render(&document)?)?;
    }
    Ok(())
}
