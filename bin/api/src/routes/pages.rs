//! The OpenAPI document, and the same as a page for people. The page is made here: it loads nothing from anywhere.

use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::document::{Operation, open_api as document_of, text_of};
use super::table::{Access, table};
use crate::http::problem::{Kind, Problem};
use crate::services::{Services, Store};

const STYLE: &str = include_str!("docs.css");
const PUBLIC: &str = "public, max-age=300";
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Both forms of the document, made once.
pub(crate) struct Pages {
    json: String,
    html: String,
}

impl Pages {
    /// Of the whole table.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub(crate) fn new<S: Store>() -> Result<Self, serde_json::Error> {
        let rows = table::<S>().into_iter().filter_map(|route| {
            let scope = match route.access {
                Access::Open(_) => None,
                Access::Guarded(scope, ..) => Some(scope),
            };
            let method = serde_json::from_value(json!(route.method.as_str().to_ascii_lowercase())).ok()?;
            Some((method, route.path, scope, (route.document)()))
        });
        let document = serde_json::to_value(document_of(rows))?;
        Ok(Self { json: serde_json::to_string_pretty(&document)?, html: page(&document) })
    }
}

/// The document.
pub(super) fn open_api<S: Store>(services: &Services<S>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, PUBLIC)).content_type("application/json");
    response.body(services.pages.json.clone())
}

/// The page.
pub(super) fn docs<S: Store>(services: &Services<S>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CACHE_CONTROL, PUBLIC))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8");
    response.body(services.pages.html.clone())
}

/// The page that a problem's `type` leads to.
///
/// # Errors
/// 404 when there is no such problem.
pub(super) fn problem(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().query("id");
    let kind = *Kind::ALL.iter().find(|kind| kind.name() == name).ok_or(Kind::NotFound)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CACHE_CONTROL, PUBLIC))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .content_type("text/html; charset=utf-8");
    Ok(response.body(problem_page(kind)))
}

/// `GET /openapi.json`.
pub(super) fn open_api_document() -> Operation {
    let example = json!({"openapi": "3.1.0"});
    Operation::new("getOpenApi", "Documentation", "This document")
        .answers_json(200, "OpenAPI 3.1.", example)
        .refuses(&[Kind::Malformed, Kind::Invalid, Kind::Overloaded])
}

/// `GET /docs`.
pub(super) fn docs_document() -> Operation {
    let example = json!("<!doctype html>");
    Operation::new("getDocs", "Documentation", "This document, for people")
        .answers_html(200, "A page.", example)
        .refuses(&[Kind::Malformed, Kind::Invalid, Kind::Overloaded])
}

/// `GET /problems/{id}`.
pub(super) fn problem_document() -> Operation {
    let names = Kind::ALL.map(Kind::name);
    Operation::new("getProblem", "Documentation", "What a problem means, for people")
        .name_in_path(text_of(&names, "invalid"), "The last part of a problem's `type`.")
        .answers_html(200, "A page.", json!("<!doctype html>"))
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid, Kind::Overloaded])
}

fn problem_page(kind: Kind) -> String {
    let (name, status, title, meaning) = (kind.name(), kind.status(), kind.title(), kind.meaning());
    let after = kind.retry_after().map_or(String::new(), |seconds| {
        format!("<p>It may be worth to try again after {seconds} s: <code>Retry-After</code>.</p>")
    });
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>\
         <h1>{title} <small>{}</small></h1><p><code>{}</code></p><p>{meaning}</p>{after}\
         <p><a href=../docs#problems>All problems</a></p>",
        status.as_u16(),
        kind.uri(),
    )
}

fn page(document: &Value) -> String {
    let mut html =
        format!("<!doctype html><html lang=en><meta charset=utf-8><title>Billing API</title><style>{STYLE}</style>");
    let info = &document["info"];
    let _ = write!(
        html,
        "<h1>{} <small>{}</small></h1><p>{}</p><p><a href=openapi.json>openapi.json</a></p>",
        escaped(&info["title"]),
        escaped(&info["version"]),
        escaped(&info["description"])
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            write_operation(&mut html, method, path, operation);
        }
    }
    html.push_str("<h2 id=problems>Problems</h2><table><tr><th>type<th>status<th>meaning");
    for kind in Kind::ALL {
        let (uri, status, meaning) = (kind.uri(), kind.status().as_u16(), kind.meaning());
        let _ = write!(html, "<tr id={}><td><code>{uri}</code><td>{status}<td>{meaning}", kind.name());
    }
    html.push_str("</table><h2 id=schemas>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(html, "<details id={name}><summary>{name}</summary>{}</details>", pretty(schema));
    }
    html
}

fn write_operation(html: &mut String, method: &str, path: &str, operation: &Value) {
    let scope = operation["security"][0]["token"][0].as_str().unwrap_or("no token needed");
    let _ = write!(
        html,
        "<section><h2><span class={method}>{}</span> {path}</h2><p><b>{}</b> · <code>{scope}</code></p><p>{}</p>",
        method.to_uppercase(),
        escaped(&operation["summary"]),
        escaped(&operation["description"])
    );
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>parameter<th>in<th>meaning");
        for parameter in parameters {
            let [name, place, meaning] = ["name", "in", "description"].map(|key| escaped(&parameter[key]));
            let _ = write!(html, "<tr><td><code>{name}</code><td>{place}<td>{meaning}");
        }
        html.push_str("</table>");
    }
    let bodies = operation["requestBody"]["content"].as_object();
    for (media, body) in bodies.into_iter().flatten() {
        let shown = body["example"].as_str().map_or_else(|| pretty(&body["example"]), preformatted);
        let _ = write!(html, "<h3>Body</h3><p><code>{media}</code></p>{shown}");
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let _ = write!(html, "<details><summary><b>{status}</b> {}</summary>", escaped(&response["description"]));
        for content in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
            let examples = content["examples"].as_object().into_iter().flat_map(|examples| examples.values());
            for example in examples.map(|example| &example["value"]).chain(content.get("example")) {
                html.push_str(&pretty(example));
            }
        }
        html.push_str("</details>");
    }
    html.push_str("</section>");
}

fn pretty(value: &Value) -> String {
    preformatted(&serde_json::to_string_pretty(value).unwrap_or_default())
}

fn preformatted(text: &str) -> String {
    format!("<pre>{}</pre>", escape(text))
}

fn escaped(text: &Value) -> String {
    escape(text.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
