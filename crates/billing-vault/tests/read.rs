//! Reading secrets from a real Vault-compatible server, and from answers that a test server cannot be brought to give.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use billing_vault::{Auth, Reading, Token, Vault, VaultError};
use serde_json::json;
use uuid::Uuid;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::kv2;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by `cargo xtask test`"))
}

fn vault(token: Token) -> Vault {
    Vault::new(variable("BILLING_TEST_VAULT_ADDR"), Auth::Token(token))
}

fn right_token() -> String {
    variable("BILLING_TEST_VAULT_TOKEN")
}

/// Stores a secret and returns its path, which no other test has.
async fn stored(secret: &serde_json::Value) -> String {
    let settings = VaultClientSettingsBuilder::default()
        .address(variable("BILLING_TEST_VAULT_ADDR"))
        .token(right_token())
        .build()
        .unwrap();
    let path = format!("billing/test-{}", Uuid::new_v4());
    kv2::set(&VaultClient::new(settings).unwrap(), "secret", &path, secret).await.unwrap();
    format!("secret/data/{path}")
}

fn told(read: Result<Option<Reading>, VaultError>) -> String {
    match read {
        Ok(None) => "none".into(),
        Ok(Some(reading)) => reading.fields.into_iter().map(|(name, text)| format!("{name}={text};")).collect(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn secrets_are_maps_of_texts() {
    let good = stored(&json!({"username": "api", "password": "p\"w"})).await;
    let number = stored(&json!({"username": "api", "port": 5432})).await;
    let vault = vault(Token::Value(format!("{}\n", right_token())));
    for (path, expected) in [
        (good.as_str(), "password=p\"w;username=api;".to_owned()),
        ("secret/data/billing/none", "none".to_owned()),
        (&number, format!("the field port of {number} is not text")),
    ] {
        assert_eq!(told(vault.read(path).await), expected);
    }
}

#[tokio::test]
async fn the_token_may_stand_in_a_file_and_is_read_each_time() {
    let path = stored(&json!({"a": "b"})).await;
    let file = std::env::temp_dir().join(format!("billing-vault-{}", Uuid::new_v4()));
    let vault = vault(Token::File(file.clone()));
    assert_eq!(told(vault.read(&path).await), format!("cannot read the token for Vault from {}", file.display()));
    for (token, expected) in [
        (String::new(), "the token for Vault is empty or holds characters that no token has".to_owned()),
        ("s.wrong\n".into(), format!("Vault does not let this token read {path}")),
        (format!("{}\n", right_token()), "a=b;".to_owned()),
    ] {
        std::fs::write(&file, token).unwrap();
        assert_eq!(told(vault.read(&path).await), expected);
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn failures_are_named_and_never_show_the_token() {
    for (status, body, expected) in [
        ("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#, "Vault is sealed: unseal it"),
        ("403 Forbidden", r#"{"errors":["denied"]}"#, "Vault does not let this token read a/b"),
        ("500 Oops", "<html>", "Vault answered 500 for a/b"),
        ("200 OK", r#"{"data":"canary"}"#, "Vault's answer for a/b is not a secret"),
        ("200 OK", "canary", "Vault's answer for auth/token/lookup-self is not a secret"),
        ("", "", "Vault cannot be reached"),
    ] {
        let vault = Vault::new(answering(status, body), Auth::Token(Token::Value("s.canary".into())));
        let Err(error) = vault.read("a/b").await else { panic!("{status} was taken for a secret") };
        assert_eq!(error.to_string(), expected);
        let mut text = format!("{error:?} {:?}", Auth::Token(Token::Value("s.canary".into())));
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            text.push_str(&error.to_string());
            cause = error.source();
        }
        assert!(!text.contains("canary"), "{text}");
    }
    let vault = Vault::new("vault:8200".into(), Auth::Agent);
    assert!(matches!(vault.read("a/b").await, Err(VaultError::Address)));
}

/// A server that gives one answer, or hangs up at once when the status is empty.
fn answering(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if !status.is_empty() {
                let _request = stream.read(&mut [0; 4096]);
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    address
}
