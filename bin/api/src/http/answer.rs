//! Successful answers: JSON and documents, never kept by a cache.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, HeaderValue, LOCATION, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures::Stream;
use serde::Serialize;

use super::problem::Problem;

/// The media type of documents.
pub(crate) const PDF: &str = "application/pdf";

/// How many rows a CSV file leaves out.
pub(crate) const LEFT_OUT: &str = "X-Left-Out";

/// Data about money.
const PRIVATE: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "private, no-store");

/// 200 with data about money.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn ok<T: Serialize>(data: &T) -> Result<HttpResponse, Problem> {
    private(StatusCode::OK, None, data)
}

/// 201 with what was made and where it is.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn created<T: Serialize>(location: String, data: &T) -> Result<HttpResponse, Problem> {
    private(StatusCode::CREATED, Some(location), data)
}

/// 202 with what was asked for and is still to be done.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub(crate) fn accepted<T: Serialize>(data: &T) -> Result<HttpResponse, Problem> {
    private(StatusCode::ACCEPTED, None, data)
}

/// 200 with a PDF to be saved, tagged with the SHA-256 of its bytes.
pub(crate) fn pdf(file_name: &str, sha256: [u8; 32], bytes: Vec<u8>) -> HttpResponse {
    let tag: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut response = HttpResponse::Ok();
    response
        .insert_header(PRIVATE)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .insert_header((ETAG, format!("\"{tag}\"")))
        .content_type(PDF);
    response.body(bytes)
}

/// 200 with a CSV file to be saved, and how many rows it leaves out if it may leave some out.
pub(crate) fn csv(file_name: &str, left_out: Option<usize>, bytes: Vec<u8>) -> HttpResponse {
    let mut response = csv_head(file_name);
    if let Some(left_out) = left_out {
        response.insert_header((LEFT_OUT, left_out.to_string()));
    }
    response.body(bytes)
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

fn private<T: Serialize>(status: StatusCode, location: Option<String>, data: &T) -> Result<HttpResponse, Problem> {
    let bytes = serde_json::to_vec(data).map_err(|error| Problem::caused(super::problem::Kind::Internal, error))?;
    let mut response = HttpResponse::build(status);
    response.insert_header(PRIVATE).content_type("application/json");
    if let Some(location) = location {
        response.insert_header((LOCATION, location));
    }
    Ok(response.body(bytes))
}
