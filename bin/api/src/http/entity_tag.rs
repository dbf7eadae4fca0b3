//! Entity tags (RFC 9110, 8.8.3): what an answer's bytes are known by, and what a request says of those it has seen.
//!
//! Compressed bytes are other bytes: their tag ends in the name of the encoding. Whoever names either has seen both.

use actix_web::HttpRequest;
use actix_web::http::header::{ContentEncoding, EntityTag, Header as _, IF_MATCH, IfMatch, IfNoneMatch};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that a tag shows.
const SHOWN: usize = 16;

/// Of these very bytes.
pub(crate) fn strong(bytes: &[u8]) -> EntityTag {
    EntityTag::new_strong(hash(bytes))
}

/// Of an answer that means the same as another with this tag, and differs in words that do not matter.
pub(crate) fn weak(bytes: &[u8]) -> EntityTag {
    EntityTag::new_weak(hash(bytes))
}

/// Of the same answer, compressed. A weak tag stays.
pub(crate) fn encoded(tag: EntityTag, encoding: ContentEncoding) -> EntityTag {
    if tag.weak { tag } else { EntityTag::new_strong(format!("{}-{}", tag.tag(), encoding.as_str())) }
}

/// Whether `If-None-Match` says that the caller has this answer. What cannot be read says nothing.
pub(crate) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|seen| plain(seen) == plain(tag)),
        Err(_) => false,
    }
}

/// Whether what `If-Match` asks for holds: `None` when it asks for nothing. What cannot be read never holds.
pub(crate) fn is_expected(request: &HttpRequest, tag: &EntityTag) -> Option<bool> {
    if !request.headers().contains_key(IF_MATCH) {
        return None;
    }
    Some(match IfMatch::parse(request) {
        Ok(IfMatch::Any) => true,
        Ok(IfMatch::Items(tags)) => tags.iter().any(|seen| !seen.weak && !tag.weak && plain(seen) == plain(tag)),
        Err(_) => false,
    })
}

/// Without the name of an encoding.
fn plain(tag: &EntityTag) -> &str {
    let text = tag.tag();
    ["-gzip", "-br"].iter().find_map(|encoding| text.strip_suffix(encoding)).unwrap_or(text)
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..SHOWN])
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_tag_is_known_by_its_hash() {
        let tag = strong(b"a");
        let hash = tag.tag().to_owned();
        for (header, known, expected) in [
            (format!("\"{hash}\""), true, true),
            (format!("W/\"{hash}\""), true, false),
            (format!("\"{hash}-gzip\""), true, true),
            (format!("\"{hash}-br\""), true, true),
            (format!("\"other\", \"{hash}\""), true, true),
            ("*".into(), true, true),
            ("\"other\"".into(), false, false),
            ("W/\"other\"".into(), false, false),
            (hash.clone(), false, false),
            (String::new(), false, false),
            ("\"".into(), false, false),
        ] {
            let request = TestRequest::default()
                .insert_header(("If-None-Match", header.as_str()))
                .insert_header(("If-Match", header.as_str()))
                .to_http_request();
            assert_eq!((is_known(&request, &tag), is_expected(&request, &tag)), (known, Some(expected)), "{header}");
        }
        let request = TestRequest::default().to_http_request();
        assert_eq!((is_known(&request, &tag), is_expected(&request, &tag)), (false, None));
    }

    #[test]
    fn compressed_bytes_have_a_strong_tag_of_their_own() {
        let (strong, weak) = (strong(b"a"), weak(b"a"));
        assert!(encoded(strong.clone(), ContentEncoding::Gzip).strong_ne(&strong));
        assert_eq!(encoded(weak.clone(), ContentEncoding::Gzip), weak);
    }
}
