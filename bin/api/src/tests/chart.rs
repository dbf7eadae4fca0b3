//! Kong's routes in the chart are the guarded rows of the route table: none is missing, none has another scope.

use std::collections::BTreeSet;

use billing_testing::Memory;

use crate::routes::{Access, table};

#[test]
fn the_chart_has_a_row_for_every_guarded_route() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/billing-service/files/routes.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: BTreeSet<_> = text.lines().filter(|line| line.starts_with("- {")).map(row).collect();
    let guarded: BTreeSet<_> = table::<Memory>()
        .into_iter()
        .filter_map(|route| match route.access {
            Access::Open(_) => None,
            Access::Guarded(scope, ..) => {
                Some((route.method.to_string(), route.path.to_owned(), scope.name().to_owned()))
            }
        })
        .collect();
    assert_eq!(guarded.difference(&rows).collect::<Vec<_>>(), Vec::<&(String, String, String)>::new());
}

/// Reads `- {name: usage, method: GET, path: "/v1/…", scope: "billing:read"}`.
fn row(line: &str) -> (String, String, String) {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}: ")).unwrap();
        rest.trim_start_matches('"').split(['"', ',']).next().unwrap().to_owned()
    };
    (field("method"), field("path"), field("scope"))
}
