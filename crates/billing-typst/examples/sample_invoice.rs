//! Writes sample invoices as PDF files into the folder that is given as an argument, to be looked at; prints the size of
//! each and how long it took, the best of five.

mod samples;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use billing_typst::Renderer;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: sample_invoice <folder>")?);
    std::fs::create_dir_all(&folder)?;
    let renderer = Renderer::new()?;
    let mut out = std::io::stdout().lock();
    for (name, document) in samples::all() {
        let mut best = Duration::MAX;
        let mut pdf = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            pdf = renderer.render(&document)?;
            best = best.min(begun.elapsed());
        }
        writeln!(out, "{name:<20} {:>8} bytes {:>8} µs", pdf.len(), best.as_micros())?;
        std::fs::write(folder.join(format!("{name}.pdf")), pdf)?;
    }
    Ok(())
}
