//! Successful answers: JSON and documents. How they may be kept is said where they are completed, unless it is said here.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LOCATION, ETAG, EntityTag, HeaderName, HeaderValue, LOCATION, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures::Stream;
use serde::Serialize;

use super::entity_tag;
use super::problem::{Kind, Problem};
use super::represent::{REVALIDATED, UNKEPT};

/// The media type of documents.
pub(crate) const PDF: &str = "application/pdf";

/// How many rows a CSV file leaves out.
pub(crate) const LEFT_OUT: HeaderName = HeaderName::from_static("x-left-out");
/// The same as documents write it.
pub(crate) const LEFT_OUT_NAME: &str = "X-Left-Out";

/// Not to be kept, whatever it is asked with.
const PRIVATE: (HeaderName, &str) = (CACHE_CONTROL, UNKEPT);

/// 200 with data about money.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn ok<T: Serialize>(data: &T) -> Result<HttpResponse, Problem> {
    Ok(json(StatusCode::OK).body(bytes_of(data)?))
}

/// 200 with what is never kept: it is good for a while, and for whoever has it.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn secret<T: Serialize>(data: &T) -> Result<HttpResponse, Problem> {
    Ok(json(StatusCode::OK).insert_header(PRIVATE).body(bytes_of(data)?))
}

/// 200 with data that mean the same as other data with the same `meaning`.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn meaning<T: Serialize>(data: &T, meaning: &impl Serialize) -> Result<HttpResponse, Problem> {
    let tag = entity_tag::weak(&bytes_of(meaning)?);
    Ok(json(StatusCode::OK).insert_header((ETAG, tag.to_string())).body(bytes_of(data)?))
}

/// What has been written and is read again at `path` in the same words: with their tag, for the next write.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn written<T: Serialize>(status: StatusCode, path: String, data: &T) -> Result<HttpResponse, Problem> {
    let bytes = bytes_of(data)?;
    let mut response = json(status);
    response.insert_header((ETAG, entity_tag::strong(&bytes).to_string()));
    let place = if status == StatusCode::CREATED { LOCATION } else { CONTENT_LOCATION };
    Ok(response.insert_header((place, path)).body(bytes))
}

/// The tag that reading this again answers.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn tag_of<T: Serialize>(data: &T) -> Result<EntityTag, Problem> {
    Ok(entity_tag::strong(&bytes_of(data)?))
}

/// 201 with what was made and where it is.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn created<T: Serialize>(location: String, data: &T) -> Result<HttpResponse, Problem> {
    Ok(json(StatusCode::CREATED).insert_header((LOCATION, location)).body(bytes_of(data)?))
}

/// 202 with what was asked for and is still to be done.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn accepted<T: Serialize>(data: &T) -> Result<HttpResponse, Problem> {
    Ok(json(StatusCode::ACCEPTED).body(bytes_of(data)?))
}

/// 200 with a PDF to be saved, tagged with the SHA-256 of its bytes.
pub(crate) fn pdf(file_name: &str, sha256: [u8; 32], bytes: Vec<u8>) -> HttpResponse {
    let tag: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CACHE_CONTROL, REVALIDATED))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .insert_header((ETAG, format!("\"{tag}\"")))
        .content_type(PDF);
    response.body(bytes)
}

/// 200 with a CSV file to be saved.
pub(crate) fn csv(file_name: &str, bytes: Vec<u8>) -> HttpResponse {
    csv_head(file_name).body(bytes)
}

/// A file that may leave rows out, and how many it does.
pub(crate) fn leaving_out(rows: usize, mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(LEFT_OUT, HeaderValue::from(rows));
    response
}

/// 200 with a CSV file to be saved, piece by piece. A body that fails breaks the transfer off.
pub(crate) fn csv_stream<B, E>(file_name: &str, body: B) -> HttpResponse
where
    B: Stream<Item = Result<Bytes, E>> + 'static,
    E: Into<Box<dyn Error>> + 'static,
{
    csv_head(file_name).streaming(body)
}

/// The same for whoever asks in the same way only: others get another representation.
pub(crate) fn varied(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    response
}

fn csv_head(file_name: &str) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header(PRIVATE)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .content_type("text/csv; charset=utf-8; header=present");
    response
}

fn json(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    response
}

fn bytes_of<T: Serialize>(data: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(data).map_err(|error| Problem::caused(Kind::Internal, error))
}
