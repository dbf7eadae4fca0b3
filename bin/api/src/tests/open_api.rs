//! The document is true: it lists the table, its references lead somewhere, its examples are accepted.

use std::collections::{BTreeMap, BTreeSet};

use billing_domain::invoicing::InvoiceContents;
use billing_testing::Memory;
use serde_json::{Value, json};

use super::world::{Ask, World};
use crate::routes::{Access, table};

async fn document(world: &World) -> Value {
    let reply = world.send(&Ask::get("/openapi.json")).await;
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("application/json")));
    reply.body
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

#[actix_web::test]
async fn it_lists_exactly_the_route_table() {
    let world = World::new().await;
    let document = document(&world).await;
    assert_eq!(document["openapi"], "3.1.0");
    let listed: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| {
            let scope = operation["security"][0]["token"][0].as_str().unwrap_or_default().to_owned();
            (method, path, scope)
        })
        .collect();
    let served: BTreeSet<_> = table::<Memory>()
        .into_iter()
        .map(|route| {
            let scope = match route.access {
                Access::Open(_) => String::new(),
                Access::Guarded(scope, ..) => scope.name().to_owned(),
            };
            (route.method.to_string(), route.path.to_owned(), scope)
        })
        .collect();
    assert_eq!(listed, served);
}

#[actix_web::test]
async fn every_operation_has_a_name_of_its_own_and_examples_everywhere() {
    let world = World::new().await;
    let document = document(&world).await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let bodies = operation["requestBody"]["content"].as_object().into_iter().flat_map(|content| content.values());
        let responses = operation["responses"].as_object().unwrap().values();
        let answers = responses
            .flat_map(|response| response["content"].as_object().into_iter().flat_map(|content| content.values()));
        for content in bodies.chain(answers) {
            let has_example = content.get("example").or(content.get("examples")).is_some();
            assert!(has_example && content.get("schema").is_some(), "{method} {path}: {content}");
        }
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["name"] != "cursor") {
            assert!(parameter["schema"]["examples"][0] != Value::Null, "{method} {path}: {parameter}");
        }
    }
}

#[test]
fn two_types_never_have_one_name() {
    let mut known = BTreeMap::new();
    for route in table::<Memory>() {
        for (name, schema) in (route.document)().schemas() {
            let schema = json!(schema);
            let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*first, schema, "{name} of {}", route.path);
        }
    }
    assert!(known.len() > 50);
}

#[actix_web::test]
async fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let world = World::new().await;
    let document = document(&world).await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 5);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn documented_parameters_and_bodies_are_accepted() {
    let world = World::new().await;
    let document = document(&world).await;
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let value = match &parameter["schema"]["examples"][0] {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            let reply = world.send(&Ask::new(&method, &format!("{path}?{name}={value}")).staff()).await;
            assert!(!reply.text.contains("is not known here"), "{path} {name}: {}", reply.text);
        }
        let content = &operation["requestBody"]["content"];
        if let Some(file) = content["text/csv"]["example"].as_str() {
            let reply = world.send(&Ask::new(&method, &path).staff().raw("text/csv", file.as_bytes().to_vec())).await;
            assert_eq!((reply.status, &reply.body["counts"]["refused"]), (200, &Value::from(0)), "{}", reply.text);
            continue;
        }
        let example = &content["application/json"]["example"];
        if path.ends_with("/void") {
            world.memory.put_invoice(super::invoices::issued(1, "2026-09"), InvoiceContents::default());
            let path = path.replace("{id}", &super::invoices::id(1).to_string());
            let reply = world.send(&Ask::new(&method, &path).staff().json(example)).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        } else if path.ends_with("/corrections") && method == "POST" {
            let since = super::bodies::with(super::bodies::price(), &json!({"effectiveFrom": "2026-01-01"}));
            let price = world.send(&Ask::new("POST", "/v1/admin/pricing").staff().json(&since)).await;
            let of = json!({"pricingTableId": price.body["pricingTableId"]});
            let example = super::bodies::with(example.clone(), &of);
            let reply = world.send(&Ask::new(&method, &path).staff().json(&example)).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
        } else if path.contains("/quarantine/") && method == "POST" {
            super::quarantine::put_open(&world, 1);
            let path = path.replace("{id}", "1");
            let reply = world.send(&Ask::new(&method, &path).staff().json(example)).await;
            assert!(documented(operation).contains(&reply.status), "{}", reply.text);
            assert!(reply.status < 300, "{}", reply.text);
        } else if method == "POST" {
            let reply = world.send(&Ask::new(&method, &path).staff().json(example)).await;
            assert_eq!(reply.status, 201, "{}", reply.text);
            let id = reply.header("Location").unwrap().to_owned();
            let change = &document["paths"][format!("{path}/{{id}}")]["patch"];
            let example = &change["requestBody"]["content"]["application/json"]["example"];
            let reply = world.send(&Ask::new("PATCH", &id).staff().json(example)).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        }
    }
}

/// The statuses that an operation may answer.
fn documented(operation: &Value) -> Vec<u16> {
    operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

#[actix_web::test]
async fn the_page_for_people_is_whole_and_loads_nothing() {
    let world = World::new().await;
    let page = world.send(&Ask::get("/docs")).await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    for route in table::<Memory>() {
        assert!(page.text.contains(route.path), "{}", route.path);
    }
    for outside in ["=http", "=\"http", "='http", "=//", "<script", "src=", "@import", "url("] {
        assert!(!page.text.contains(outside), "{outside}");
    }
}

#[test]
fn the_printed_table_has_a_line_for_each_route() {
    let text = crate::routes::print(&table::<Memory>());
    assert_eq!(text.lines().count(), table::<Memory>().len() + 1);
    assert!(
        text.contains(
            "GET     /v1/billing/usage                         billing:read      account.* own, platform.* any"
        )
    );
}
