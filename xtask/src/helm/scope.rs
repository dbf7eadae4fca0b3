//! Whom the chart's Lua lets pass, tried by the Lua that Kong runs, with what it calls of Kong in its place.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::render::{Chart, name};
use crate::setup;
use crate::tree;

/// The Lua of a scope's plugin, as the chart renders it with these arguments.
fn lua(plugin: &str, arguments: &[&str]) -> String {
    let objects = Chart::new(&tree::root()).unwrap().render("prod", "1.33", arguments).unwrap();
    let object = objects.iter().find(|object| name(object) == format!("KongPlugin/billing-service-scope-{plugin}"));
    object.unwrap().pointer("/config/access/0").and_then(Value::as_str).unwrap().to_owned()
}

/// The status that Kong would end the request with; `pass` when it does not.
fn run(lua: &str, authorization: &str, claims: &str) -> String {
    let known = STANDARD.encode(claims);
    let script = format!(
        "local status = 'pass'
        kong = {{
            request = {{ get_header = function(name) return name == 'authorization' and [==[{authorization}]==] or nil end }},
            response = {{ exit = function(code) status = tostring(code) end }},
        }}
        ngx = {{ decode_base64 = function(text) return text == '{known}' and [==[{claims}]==] or nil end }}
        local function plugin() {lua} end
        plugin()
        io.write(status)"
    );
    let luajit = setup::luajit(&tree::root()).unwrap();
    let mut child = Command::new(luajit)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn bearer(claims: &str) -> String {
    format!("Bearer e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn who_has_the_scope_passes_and_nobody_else() {
    let read = lua("billing-read", &[]);
    for (claims, expected) in [
        (r#"{"scope":"billing:read"}"#, "pass"),
        (r#"{"iss":"x","scope" : "openid billing:read email"}"#, "pass"),
        // Each length of what base64 leaves over, and the two letters that it writes otherwise.
        (r#"{"a":"","scope":"billing:read"}"#, "pass"),
        (r#"{"a":"1","scope":"billing:read"}"#, "pass"),
        (r#"{"a":">>>???","scope":"billing:read"}"#, "pass"),
        (r#"{"scope":"billing:admin"}"#, "403"),
        (r#"{"scope":"billing:readonly"}"#, "403"),
        (r#"{"scope":"my-billing:read"}"#, "403"),
        (r#"{"scope":"billingxread"}"#, "403"),
        (r#"{"scope":""}"#, "403"),
        (r#"{"xscope":"billing:read"}"#, "403"),
        (r#"{"scope":["billing:read"]}"#, "403"),
        (r"{}", "403"),
    ] {
        assert_eq!(run(&read, &bearer(claims), claims), expected, "{claims}");
    }
    let claims = r#"{"scope":"billing:read"}"#;
    let good = bearer(claims);
    for (authorization, expected) in [
        (good.replace("Bearer ", "  bearer   "), "pass"),
        (String::new(), "403"),
        (good.replace("Bearer", "Basic"), "403"),
        (good.replace('.', " "), "403"),
    ] {
        assert_eq!(run(&read, &authorization, claims), expected, "{authorization}");
    }
    let finance = lua("platform-finance", &[]);
    for (claims, expected) in [(r#"{"scope":"platform.finance"}"#, "pass"), (r#"{"scope":"platformxfinance"}"#, "403")]
    {
        assert_eq!(run(&finance, &bearer(claims), claims), expected, "{claims}");
    }
}

/// What Lua's patterns would take for a sign of their own is taken for what it is.
#[test]
fn the_claim_may_have_another_name() {
    let lua = lua("billing-read", &["--set-string", "env.BILLING_JWT_CLAIM_SCOPE=https://a.b/x-scope"]);
    for (claims, expected) in [
        (r#"{"https://a.b/x-scope":"billing:read"}"#, "pass"),
        (r#"{"https://aab/x-scope":"billing:read"}"#, "403"),
        (r#"{"https://a.b/scope":"billing:read"}"#, "403"),
        (r#"{"scope":"billing:read"}"#, "403"),
    ] {
        assert_eq!(run(&lua, &bearer(claims), claims), expected, "{claims}");
    }
}
