//! Makes a PDF small: its many small objects go, compressed together, into object streams (ISO 32000-1, 7.5.7 and 7.5.8),
//! which PDF/A-2 and later allow.
//!
//! The typesetter writes each table cell's tag as an object of its own, with a line in a table of places: 145 bytes a cell,
//! three quarters of a long invoice's file. Decides nothing about what the file says.

use std::io::Write as _;
use std::ops::Range;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Objects of one stream: a reader that wants one of them unpacks all.
const TOGETHER_MAX: usize = 500;
/// Bytes of an entry of the table of places: kind, place, and index or generation.
const ENTRY: [usize; 3] = [1, 4, 2];

/// The same document in fewer bytes; as it came if it is written otherwise than the typesetter writes.
pub(crate) fn pack(pdf: Vec<u8>) -> Vec<u8> {
    repack(&pdf).unwrap_or(pdf)
}

/// Where an object of the new file is.
#[derive(Clone, Copy)]
enum Place {
    Free,
    At(usize),
    In { stream: usize, index: usize },
}

fn repack(pdf: &[u8]) -> Option<Vec<u8>> {
    let (objects, trailer) = read(pdf)?;
    let first = objects.iter().map(|object| object.whole.start).min()?;
    let mut out = pdf.get(..first)?.to_vec();
    let (large, small): (Vec<&Object>, Vec<&Object>) =
        objects.iter().partition(|object| pdf[object.body.clone()].ends_with(b"endstream"));
    let mut places = vec![Place::Free; objects.len() + 1];
    for object in large {
        *places.get_mut(object.number)? = Place::At(out.len());
        out.extend_from_slice(pdf.get(object.whole.clone())?);
    }
    for together in small.chunks(TOGETHER_MAX) {
        let stream = places.len();
        let (mut index, mut bodies) = (String::new(), Vec::new());
        for (place, object) in together.iter().enumerate() {
            *places.get_mut(object.number)? = Place::In { stream, index: place };
            index += &format!("{} {} ", object.number, bodies.len());
            bodies.extend_from_slice(pdf.get(object.body.clone())?);
            bodies.push(b'\n');
        }
        places.push(Place::At(out.len()));
        let about = format!("/Type/ObjStm/N {}/First {}", together.len(), index.len());
        write_stream(&mut out, stream, &about, &[index.as_bytes(), &bodies].concat())?;
    }
    // The table of places is an object too, and has its own.
    let (number, start) = (places.len(), out.len());
    places.push(Place::At(start));
    let [kind, place, index] = ENTRY;
    let about = format!("/Type/XRef/Size {}/W[{kind} {place} {index}]{trailer}", places.len());
    let entries: Vec<u8> = places.into_iter().map(entry).collect::<Option<Vec<_>>>()?.concat();
    write_stream(&mut out, number, &about, &entries)?;
    write!(out, "startxref\n{start}\n%%EOF").ok()?;
    Some(out)
}

/// An object of the old file.
struct Object {
    number: usize,
    /// From its number to `endobj` and the space after it.
    whole: Range<usize>,
    /// What stands between.
    body: Range<usize>,
}

/// Every object in order, and what the trailer says besides their number.
fn read(pdf: &[u8]) -> Option<(Vec<Object>, String)> {
    let from = pdf.len().saturating_sub(64);
    let tail = std::str::from_utf8(pdf.get(from..)?.rsplit(|byte| *byte == b'f').next()?).ok()?;
    let table = tail.split_whitespace().next()?.parse::<usize>().ok()?;
    let text = std::str::from_utf8(pdf.get(table..)?).ok()?;
    let (entries, rest) = text.strip_prefix("xref\n0 ")?.split_once("trailer\n<<")?;
    let (count, entries) = entries.split_once('\n')?;
    let trailer = rest.split_once(">>\nstartxref")?.0.strip_prefix(&format!("/Size {count}"))?;
    let mut starts: Vec<(usize, usize)> = Vec::new();
    // Twenty bytes each: place, generation, `n` or `f` for in use or free.
    for (number, line) in entries.lines().enumerate() {
        let mut words = line.split_whitespace();
        match (number, words.next()?.parse().ok()?, words.next()?, words.next()?) {
            (0, _, _, "f") => {}
            (1.., start, "00000", "n") => starts.push((start, number)),
            _ => return None,
        }
    }
    if starts.len() + 1 != count.parse::<usize>().ok()? {
        return None;
    }
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([table]);
    let object = |(&(start, number), end): (&(usize, usize), usize)| {
        let whole = pdf.get(start..end)?;
        let head = format!("{number} 0 obj\n");
        let body = whole.strip_prefix(head.as_bytes())?.trim_ascii_end().strip_suffix(b"endobj")?.trim_ascii_end();
        let body_start = start + head.len();
        Some(Object { number, whole: start..end, body: body_start..body_start + body.len() })
    };
    let objects: Option<Vec<Object>> = starts.iter().zip(ends).map(object).collect();
    Some((objects?, trailer.to_owned()))
}

fn write_stream(out: &mut Vec<u8>, number: usize, about: &str, content: &[u8]) -> Option<()> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(content).ok()?;
    let packed = packed.finish().ok()?;
    write!(out, "{number} 0 obj\n<<{about}/Filter/FlateDecode/Length {}>>\nstream\n", packed.len()).ok()?;
    out.extend_from_slice(&packed);
    out.extend_from_slice(b"\nendstream\nendobj\n");
    Some(())
}

/// An entry of the table of places.
fn entry(place: Place) -> Option<[u8; 7]> {
    let (kind, at, index) = match place {
        Place::Free => (0, 0, u16::MAX),
        Place::At(start) => (1, start, 0),
        Place::In { stream, index } => (2, stream, u16::try_from(index).ok()?),
    };
    let ([a, b, c, d], [e, f]) = (u32::try_from(at).ok()?.to_be_bytes(), index.to_be_bytes());
    Some([kind, a, b, c, d, e, f])
}

/// Everything in a PDF that is packed, unpacked, and what is not, for tests to search.
#[cfg(test)]
pub(crate) fn unpacked(pdf: &[u8]) -> Vec<u8> {
    use std::io::Read as _;

    let mut out = pdf.to_vec();
    let find = |from: usize, what: &[u8]| pdf[from..].windows(what.len()).position(|w| w == what).map(|at| from + at);
    let mut from = 0;
    while let Some(at) = find(from, b"/Type/ObjStm") {
        let start = find(at, b"stream\n").unwrap() + b"stream\n".len();
        flate2::read::ZlibDecoder::new(&pdf[start..]).read_to_end(&mut out).unwrap();
        from = start;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &[u8] =
        b"%PDF-1.7\n1 0 obj\n<</Type/Pages/Count 0/Kids[]>>\nendobj\n2 0 obj\n<</Length 9>>\nstream\nendstream\
        \nendstream\nendobj\n3 0 obj\n<</Type/Catalog/Pages 1 0 R>>\nendobj\nxref\n0 4\n0000000000 65535 f\r\n\
        0000000009 00000 n\r\n0000000055 00000 n\r\n0000000111 00000 n\r\ntrailer\n<</Size 4/Root 3 0 R>>\nstartxref\n\
        156\n%%EOF";

    #[test]
    fn small_objects_go_together_and_streams_stay() {
        let packed = pack(PDF.to_vec());
        let text = String::from_utf8_lossy(&packed);
        assert!(text.starts_with("%PDF-1.7\n2 0 obj\n<</Length 9>>\nstream\nendstream\nendstream\nendobj\n4 0 obj\n"));
        assert!(text.contains("5 0 obj\n<</Type/XRef/Size 6/W[1 4 2]/Root 3 0 R/Filter/FlateDecode/Length "));
        let start: usize = text.rsplit_once("startxref\n").unwrap().1.split_once('\n').unwrap().0.parse().unwrap();
        assert!(packed[start..].starts_with(b"5 0 obj"));
        let unpacked = unpacked(&packed);
        assert!(unpacked.ends_with(b"1 0 3 31 <</Type/Pages/Count 0/Kids[]>>\n<</Type/Catalog/Pages 1 0 R>>\n"));
    }

    #[test]
    fn what_is_written_otherwise_stays_as_it_is() {
        for (from, to) in
            [("0 4", "0 5"), ("156\n", "158\n"), ("00000 n", "00001 n"), ("2 0 obj", "7 0 obj"), ("trailer", "t")]
        {
            let other = String::from_utf8(PDF.to_vec()).unwrap().replacen(from, to, 1).into_bytes();
            assert!(pack(other.clone()) == other, "{to}");
        }
        assert!(pack(Vec::new()).is_empty());
        assert_eq!(pack(b"%PDF".to_vec()), b"%PDF");
    }
}
