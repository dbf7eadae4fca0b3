//! Users of NATS as production has them: an operator signs an account, the account a user, and the user's credentials file
//! is all that a client is given.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// What the servers are told, and what the client is given.
#[derive(Clone)]
pub(crate) struct Operator {
    config: String,
    credentials: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let (operator, account, system) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let user = KeyPair::new_user();
        let signed = |what: &KeyPair, name: &str, claims: Value| sign(&operator, &what.public_key(), name, &claims);
        let anything = json!({"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1,
            "wildcards": true, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1});
        let of_operator = json!({"type": "operator", "version": 2, "system_account": system.public_key()});
        let of_account = json!({"type": "account", "version": 2, "limits": anything});
        let of_user =
            json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
        let config = format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}\n",
            signed(&operator, "operator", of_operator),
            system.public_key(),
            account.public_key(),
            signed(&account, "billing", of_account),
            system.public_key(),
            signed(
                &system,
                "system",
                json!({"type": "account", "version": 2, "limits": {"subs": -1, "conn": -1,
                "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1, "wildcards": true}})
            ),
        );
        let token = sign(&account, &user.public_key(), "billing-service", &of_user);
        let seed = user.seed().unwrap();
        let credentials = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        Self { config, credentials }
    }

    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    pub(crate) fn credentials(&self) -> String {
        self.credentials.clone()
    }
}

fn sign(by: &KeyPair, subject: &str, name: &str, claims: &Value) -> String {
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({"jti": name, "iat": 1_700_000_000, "iss": by.public_key(), "sub": subject, "name": name,
        "nats": claims});
    let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(head), encode(body));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(by.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}
