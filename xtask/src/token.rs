//! Tokens that the running stack accepts.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::stack;

/// What the token says.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer's tenant; none for staff.
    #[arg(long)]
    tenant_id: Option<Uuid>,
    /// The customer's account; none for staff.
    #[arg(long)]
    account_id: Option<Uuid>,
    /// Scopes, separated by blanks or by repeating the flag, such as `billing:read`.
    #[arg(long)]
    scope: Vec<String>,
    /// A role, such as `account.viewer`; may be repeated.
    #[arg(long)]
    role: Vec<String>,
    /// How long the token is good, such as `2h` or `90s`.
    #[arg(long, default_value = "2h", value_parser = duration)]
    ttl: SignedDuration,
    /// Who it was given to.
    #[arg(long, default_value = "xtask")]
    subject: String,
}

/// Prints the token as the only line.
pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = stack::developer_dir();
    let service = stack::Info::load(&dir)?.service.context("the stack in target/stack has no service")?;
    let now = Timestamp::now();
    let claims = claims(args, now, &service.issuer, &service.audience)
        .with_context(|| format!("--ttl {:#} is too long: no token is good beyond the year 9999", args.ttl))?;
    println!("{}", stack::sign(&dir, &claims)?);
    Ok(())
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|_| "expected a duration such as 2h, 90m or 30s".to_owned())
}

fn claims(args: &Args, now: Timestamp, issuer: &str, audience: &str) -> Result<Value> {
    let expires = now.checked_add(args.ttl)?;
    let scopes: Vec<&str> = args.scope.iter().flat_map(|scope| scope.split_whitespace()).collect();
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iss", json!(issuer));
    claim("aud", json!(audience));
    claim("sub", json!(args.subject));
    claim("iat", json!(now.as_second()));
    claim("exp", json!(expires.as_second()));
    claim("scope", json!(scopes.join(" ")));
    claim("roles", json!(args.role));
    if let Some(tenant) = args.tenant_id {
        claim("tenant_id", json!(tenant));
    }
    if let Some(account) = args.account_id {
        claim("account_id", json!(account));
    }
    Ok(Value::Object(claims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn flags_become_claims() {
        let id = "6f1d3a52-5a0e-4f0e-9a58-0c3d8f6a1b2c";
        let check = |flags: &[&str], expected: Value| {
            let args = Flags::try_parse_from([&["token"], flags].concat()).unwrap_or_else(|e| panic!("{e}")).args;
            let now = Timestamp::from_second(1_000).unwrap();
            let mut wanted = json!({ "iss": "i", "aud": "a", "sub": "xtask", "iat": 1_000, "exp": 8_200, "roles": [] });
            wanted.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
            assert_eq!(claims(&args, now, "i", "a").unwrap(), wanted, "{flags:?}");
        };
        check(&["--scope", "billing:read"], json!({ "scope": "billing:read" }));
        check(
            &["--scope", "a b", "--scope", "c", "--role", "r", "--role", "s"],
            json!({ "scope": "a b c", "roles": ["r", "s"] }),
        );
        check(&["--tenant-id", id, "--account-id", id], json!({ "scope": "", "tenant_id": id, "account_id": id }));
        check(&["--ttl", "90s", "--subject", "me"], json!({ "scope": "", "exp": 1_090, "sub": "me" }));
    }

    #[test]
    fn bad_flags_are_named_with_what_was_read() {
        for (flags, words) in
            [(["--ttl", "soon"], ["--ttl", "soon"]), (["--tenant-id", "seven"], ["--tenant-id", "seven"])]
        {
            let error = Flags::try_parse_from([&["token"][..], &flags].concat()).err().unwrap().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
