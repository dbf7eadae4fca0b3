//! What a request gets of a route's answer: all of it, compressed, only that it has not changed, or only its head.
//!
//! JSON is compressed here rather than by the server's own middleware, which takes a window of 4 MiB for each answer that it
//! compresses by brotli, and refuses, in plain text, who accepts nothing that it offers.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, ETAG, Encoding, EntityTag,
    Header as _, HeaderMap, HeaderName, HeaderValue, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::entity_tag;

/// Shorter answers are not compressed: that would save no packet.
const COMPRESSED_MIN: usize = 1_024;
const GZIP_LEVEL: Compression = Compression::new(5);
const BROTLI_QUALITY: i32 = 4;
/// Of brotli's window, in bits: 64 KiB for most answers, at most 1 MiB.
const BROTLI_WINDOWS: [(usize, i32); 2] = [(1 << 16, 16), (1 << 18, 18)];
const BROTLI_WINDOW_MAX: i32 = 20;

/// Kept by the caller alone, who asks each time whether it still holds.
pub(crate) const REVALIDATED: &str = "private, no-cache";
/// Kept by nobody.
pub(crate) const UNKEPT: &str = "private, no-store";

/// Completes an answer for the request that it is for.
pub(crate) fn represent(request: &HttpRequest, response: HttpResponse) -> HttpResponse {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let is_head = request.method() == Method::HEAD;
    let (mut response, body) = response.into_parts();
    let is_whole = is_read && response.status() == StatusCode::OK;
    let is_text = is_text(response.headers());
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(stream) => {
            complete(response.headers_mut(), false, None, is_text);
            // What is not read is not made either.
            let body = if is_head { BoxBody::new(Headed { size: BodySize::Stream }) } else { stream };
            return response.set_body(body);
        }
    };
    let tag = complete(response.headers_mut(), is_whole, Some(&bytes), is_text);
    let encoding = if is_text && bytes.len() >= COMPRESSED_MIN { negotiated(request) } else { None };
    let compressed = encoding.and_then(|encoding| Some((compress(encoding, &bytes).ok()?, encoding)));
    let tag = match (&compressed, tag) {
        (Some((_, encoding)), Some(tag)) => {
            let tag = entity_tag::encoded(tag, *encoding);
            insert(response.headers_mut(), ETAG, &tag.to_string());
            Some(tag)
        }
        (_, tag) => tag,
    };
    if is_whole && tag.is_some_and(|tag| entity_tag::is_known(request, &tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        return response.set_body(BoxBody::new(()));
    }
    let bytes = match compressed {
        Some((compressed, encoding)) => {
            insert(response.headers_mut(), CONTENT_ENCODING, encoding.as_str());
            Bytes::from(compressed)
        }
        None => bytes,
    };
    let size = BodySize::Sized(bytes.len().try_into().unwrap_or(u64::MAX));
    response.set_body(if is_head { BoxBody::new(Headed { size }) } else { BoxBody::new(bytes) })
}

/// How it may be kept and by what it is known, where the route has not said so; its tag, if it has one.
fn complete(headers: &mut HeaderMap, is_whole: bool, bytes: Option<&Bytes>, is_text: bool) -> Option<EntityTag> {
    if !headers.contains_key(CACHE_CONTROL) {
        let kept = is_whole && is_text && bytes.is_some();
        insert(headers, CACHE_CONTROL, if kept { REVALIDATED } else { UNKEPT });
    }
    let kept = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut vary: Vec<String> = headers.get_all(VARY).filter_map(|value| Some(value.to_str().ok()?.into())).collect();
    vary.extend(kept.contains("private").then(|| "Authorization".into()));
    vary.extend((is_text && bytes.is_some()).then(|| "Accept-Encoding".into()));
    if !vary.is_empty() {
        insert(headers, VARY, &vary.join(", "));
    }
    let given = headers.get(ETAG).and_then(|value| value.to_str().ok()?.parse().ok());
    let of_bytes = || bytes.filter(|_| is_whole && !kept.contains("no-store")).map(|bytes| entity_tag::strong(bytes));
    let tag: Option<EntityTag> = given.or_else(of_bytes);
    if let Some(tag) = &tag {
        insert(headers, ETAG, &tag.to_string());
    }
    tag
}

/// Whether it is worth to compress: PDFs are compressed already, and files to be saved are sent as they come.
fn is_text(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["application/json", "application/problem+json", "text/html"].iter().any(|text| media.starts_with(text))
}

/// What the caller would like best. Who accepts nothing that there is gets the answer as it is.
fn negotiated(request: &HttpRequest) -> Option<ContentEncoding> {
    let offered = [Encoding::brotli(), Encoding::gzip(), Encoding::identity()];
    let accepted = AcceptEncoding::parse(request).ok()?.negotiate(offered.iter())?;
    match accepted {
        Encoding::Known(encoding @ (ContentEncoding::Brotli | ContentEncoding::Gzip)) => Some(encoding),
        _ => None,
    }
}

fn compress(encoding: ContentEncoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::with_capacity(bytes.len() / 4);
    match encoding {
        ContentEncoding::Brotli => {
            let fits = |(size, _): &&(usize, i32)| bytes.len() <= *size;
            let lgwin = BROTLI_WINDOWS.iter().find(fits).map_or(BROTLI_WINDOW_MAX, |(_, bits)| *bits);
            let params = brotli::enc::BrotliEncoderParams {
                quality: BROTLI_QUALITY,
                lgwin,
                size_hint: bytes.len(),
                ..Default::default()
            };
            brotli::BrotliCompress(&mut &*bytes, &mut compressed, &params)?;
            Ok(compressed)
        }
        _ => {
            let mut encoder = GzEncoder::new(compressed, GZIP_LEVEL);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A body that is as long as it says and is not sent, for HEAD.
struct Headed {
    size: BodySize,
}

impl MessageBody for Headed {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_compressed_comes_out_as_it_went_in() {
        for length in [1_024, 100_000, 1_000_000] {
            let bytes: Vec<u8> =
                (0..length).map(|at: u32| b"0123456789,:\"{}"[(at.wrapping_mul(at) % 15) as usize]).collect();
            let (mut plain, mut plainer) = (Vec::new(), Vec::new());
            let compressed = compress(ContentEncoding::Gzip, &bytes).unwrap();
            flate2::read::GzDecoder::new(&*compressed).read_to_end(&mut plain).unwrap();
            let compressed = compress(ContentEncoding::Brotli, &bytes).unwrap();
            brotli::Decompressor::new(&*compressed, 4_096).read_to_end(&mut plainer).unwrap();
            assert!(plain == bytes && plainer == bytes, "{length}");
        }
    }
}
