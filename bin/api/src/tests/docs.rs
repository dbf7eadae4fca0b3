//! What stands in docs/ is what the code says. `BILLING_WRITE_DOCS=1 cargo test -p api docs` writes it anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::world::{Ask, World};
use crate::http::problem::Kind;

const BEGIN: &str = "<!-- problems: made from the code -->\n";
const END: &str = "<!-- end of problems -->\n";

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn check(name: &str, expected: &str) {
    let path = docs(name);
    if std::env::var_os("BILLING_WRITE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/{name} is not what the code says: BILLING_WRITE_DOCS=1 cargo test -p api docs");
}

#[actix_web::test]
async fn the_document_is_kept() {
    let world = World::new().await;
    let document = world.send(&Ask::get("/openapi.json")).await.text;
    check("openapi.json", &format!("{document}\n"));
}

#[test]
fn the_catalogue_of_problems_is_kept() {
    let text = std::fs::read_to_string(docs("API.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut catalogue = String::from(
        "| `type` | status | title | what it means, what to do | `Retry-After` |\n|---|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        let (uri, status, title, meaning) = (kind.uri(), kind.status().as_u16(), kind.title(), kind.meaning());
        let after = kind.retry_after().map_or("–".to_owned(), |seconds| format!("{seconds} s"));
        let _ = writeln!(catalogue, "| `{uri}` | {status} | {title} | {meaning} | {after} |");
    }
    check("API.md", &format!("{before}{BEGIN}{catalogue}{END}{after}"));
}
