//! The key pair that signs tokens for this stack: the private half stays in the stack's folder, the public half is the
//! JWKS that the service reads.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::state::write_private;

/// `iss` of the tokens.
pub(crate) const ISSUER: &str = "https://issuer.billing.test";
/// `aud` of the tokens.
pub(crate) const AUDIENCE: &str = "billing-service";

/// Makes the key pair in `dir` unless it is there; the path of its JWKS.
pub(crate) fn ensure_in(dir: &Path) -> Result<PathBuf> {
    let jwks = dir.join("jwks.json");
    if jwks.exists() {
        return Ok(jwks);
    }
    let pair =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| anyhow!("cannot make a key pair"))?;
    let private = pair.to_pkcs8v1().map_err(|_| anyhow!("cannot encode the private key"))?;
    write_private(&private_key(dir), private.as_ref())?;
    write_private(&dir.join("signing-key.pem"), pem(private.as_ref()).as_bytes())?;
    let set = json!({ "keys": [public_jwk(pair.public_key().as_ref())?] });
    write_private(&jwks, set.to_string().as_bytes())?;
    Ok(jwks)
}

/// Signs `claims` with the key of the stack in `dir`.
pub(crate) fn sign(dir: &Path, claims: &Value) -> Result<String> {
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
    let jwks: Value = serde_json::from_slice(&read(dir.join("jwks.json"))?).context("cannot understand jwks.json")?;
    let kid = jwks.pointer("/keys/0/kid").and_then(Value::as_str).context("jwks.json names no key")?;
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_der(&read(private_key(dir))?);
    jsonwebtoken::encode(&header, claims, &key).context("cannot sign the token")
}

fn private_key(dir: &Path) -> PathBuf {
    dir.join("signing-key.pk8")
}

/// RFC 7518, section 6.2, from an uncompressed point: 4, then x and y of 32 bytes each.
fn public_jwk(point: &[u8]) -> Result<Value> {
    ensure!(point.len() == 65 && point[0] == 4, "a P-256 public key has 65 bytes, this one {}", point.len());
    let (x, y) = point[1..].split_at(32);
    Ok(json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": Uuid::new_v4().to_string(),
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }))
}

/// RFC 7468.
fn pem(pkcs8: &[u8]) -> String {
    let text = STANDARD.encode(pkcs8);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    #[test]
    fn a_token_is_good_by_the_jwks_and_by_the_pem() {
        let dir = std::env::temp_dir().join(format!("xtask-keys-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).unwrap();
        let jwks = ensure_in(&dir).unwrap();
        let first = std::fs::read(&jwks).unwrap();
        ensure_in(&dir).unwrap();
        assert_eq!(std::fs::read(&jwks).unwrap(), first, "the key pair stays");

        let claims = json!({ "sub": "s", "exp": 4_102_444_800_u64, "aud": AUDIENCE, "iss": ISSUER });
        let token = sign(&dir, &claims).unwrap();
        let set: JwkSet = serde_json::from_slice(&first).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[AUDIENCE]);
        let read = decode::<Value>(&token, &DecodingKey::from_jwk(&set.keys[0]).unwrap(), &validation).unwrap();
        assert_eq!(read.claims, claims);
        assert_eq!(read.header.kid, set.keys[0].common.key_id);

        let from_pem = EncodingKey::from_ec_pem(&std::fs::read(dir.join("signing-key.pem")).unwrap()).unwrap();
        assert!(jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &from_pem).is_ok());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
