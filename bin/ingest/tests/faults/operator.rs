//! Users of NATS as production has them: an operator signs an account, the account a user, and the user's credentials file
//! is all that a client is given.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Map, Value, json};

/// What the servers are told, and what clients are given.
#[derive(Clone)]
pub(crate) struct Operator(Arc<Keys>);

struct Keys {
    operator: KeyPair,
    account: KeyPair,
    system: KeyPair,
    /// Of the tests themselves.
    own: User,
    /// Public keys of users who are let in no more, and when that was said.
    revoked: Mutex<Map<String, Value>>,
}

/// One user of the account.
pub(crate) struct User {
    key: String,
    /// The content of its credentials file.
    pub(crate) credentials: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let (operator, account, system) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let own = user(&account);
        Self(Arc::new(Keys { operator, account, system, own, revoked: Mutex::default() }))
    }

    pub(crate) fn config(&self) -> String {
        let Keys { operator, account, system, revoked, .. } = &*self.0;
        let signed = |what: &KeyPair, name: &str, claims: Value| sign(operator, &what.public_key(), name, &claims);
        let mut limits = json!({"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1,
            "payload": -1, "wildcards": true});
        let of_system = json!({"type": "account", "version": 2, "limits": limits});
        for name in ["mem_storage", "disk_storage", "streams", "consumer"] {
            limits[name] = json!(-1);
        }
        let revoked = revoked.lock().unwrap().clone();
        let of_account = json!({"type": "account", "version": 2, "limits": limits, "revocations": revoked});
        let of_operator = json!({"type": "operator", "version": 2, "system_account": system.public_key()});
        format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}\n",
            signed(operator, "operator", of_operator),
            system.public_key(),
            account.public_key(),
            signed(account, "billing", of_account),
            system.public_key(),
            signed(system, "system", of_system),
        )
    }

    /// Of the tests' own user.
    pub(crate) fn credentials(&self) -> String {
        self.0.own.credentials.clone()
    }

    /// One more user.
    pub(crate) fn user(&self) -> User {
        user(&self.0.account)
    }

    /// From when a server reads its configuration again, it lets the user in no more and cuts them off.
    pub(crate) fn revoke(&self, user: &User) {
        self.0.revoked.lock().unwrap().insert(user.key.clone(), json!(ISSUED_AT + 1));
    }
}

fn user(account: &KeyPair) -> User {
    let user = KeyPair::new_user();
    let claims = json!({"type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
    let token = sign(account, &user.public_key(), "billing-service", &claims);
    let seed = user.seed().unwrap();
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    User { key: user.public_key(), credentials }
}

/// Of everything that is signed, in Unix seconds.
const ISSUED_AT: u64 = 1_700_000_000;

fn sign(by: &KeyPair, subject: &str, name: &str, claims: &Value) -> String {
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let body = json!({"jti": name, "iat": ISSUED_AT, "iss": by.public_key(), "sub": subject, "name": name,
        "nats": claims});
    let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(head), encode(body));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(by.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}
