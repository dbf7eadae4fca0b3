//! A NATS credentials file, answered with anew at every connection, so that a rotated one is used.

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;

const JWT_BEGINS: &str = "-----BEGIN NATS USER JWT-----";
const SEED_BEGINS: &str = "-----BEGIN USER NKEY SEED-----";

/// What is presented to the server: the user's JWT and the server's nonce signed by the user's key.
pub(crate) fn answer(credentials: Option<&str>, nonce: &[u8]) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    let Some(text) = credentials else { return Ok(auth) };
    let (Some(jwt), Some(seed)) = (line_after(text, JWT_BEGINS), line_after(text, SEED_BEGINS)) else {
        return Err(AuthError::new("the NATS credentials lack the user's JWT or seed"));
    };
    // The library's message could quote the seed.
    let key = KeyPair::from_seed(seed).map_err(|_| AuthError::new("the seed in the NATS credentials is none"))?;
    auth.signature = Some(key.sign(nonce).map_err(|_| AuthError::new("the NATS credentials' key cannot sign"))?);
    auth.jwt = Some(jwt.to_owned());
    Ok(auth)
}

fn line_after<'a>(text: &'a str, begins: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begins)?;
    rest.lines().map(str::trim).find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nonce_is_signed_by_the_users_key() {
        let key = KeyPair::new_user();
        let seed = key.seed().unwrap();
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.x.y\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\n"
        );
        let auth = answer(Some(&text), b"nonce").unwrap();
        assert_eq!(auth.jwt.as_deref(), Some("eyJ0.x.y"));
        key.verify(b"nonce", &auth.signature.unwrap()).unwrap();
        assert!(answer(None, b"nonce").unwrap().jwt.is_none());
    }

    #[test]
    fn mistakes_do_not_show_the_seed() {
        for (text, expected) in [
            ("", "the NATS credentials lack the user's JWT or seed"),
            ("-----BEGIN NATS USER JWT-----\n------END", "the NATS credentials lack the user's JWT or seed"),
            (
                "-----BEGIN NATS USER JWT-----\nx\n-----BEGIN USER NKEY SEED-----\nSUCANARY\n",
                "the seed in the NATS credentials is none",
            ),
        ] {
            let told = answer(Some(text), b"").map(|_| ()).unwrap_err().to_string();
            assert_eq!(told, format!("AuthError({expected})"));
        }
    }
}
