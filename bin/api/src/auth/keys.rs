//! Keys that tokens may be signed with, read from a JSON Web Key Set. Each key is bound to one algorithm, so that a public
//! key can never be taken for a shared secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The only algorithms that are accepted.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

const RSA_MODULUS_BYTES_MIN: usize = 256;
/// More keys than any issuer rotates through.
const KEYS_MAX: usize = 100;

/// One public key and the one algorithm it is for.
pub(crate) struct VerificationKey {
    kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

/// The keys of an issuer.
#[derive(Default)]
pub(crate) struct KeySet(Vec<VerificationKey>);

impl KeySet {
    /// The usable keys of a JSON Web Key Set; those of other kinds, uses and strengths are left out. `None` when it is no
    /// such set or has no usable key.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(json).ok()?;
        let usable = |key: Value| usable(&serde_json::from_value(key).ok()?);
        let keys: Vec<_> = document.keys.into_iter().take(KEYS_MAX).filter_map(usable).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Whether there is any key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys with that id; without one, the only key.
    pub(crate) fn named(&self, kid: Option<&str>) -> Vec<&VerificationKey> {
        match kid {
            Some(_) => self.0.iter().filter(|key| key.kid.as_deref() == kid).collect(),
            None if self.0.len() == 1 => self.0.iter().collect(),
            None => Vec::new(),
        }
    }
}

fn usable(jwk: &Jwk) -> Option<VerificationKey> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if is_strong(&rsa.n) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let named = match jwk.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(_) => false,
    };
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies = jwk.common.key_operations.as_ref().is_none_or(|uses| uses.contains(&KeyOperations::Verify));
    if !(named && signs && verifies) {
        return None;
    }
    Some(VerificationKey { kid: jwk.common.key_id.clone(), algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
}

/// 2048 bits at least.
fn is_strong(modulus: &str) -> bool {
    URL_SAFE_NO_PAD.decode(modulus).is_ok_and(|bytes| {
        let leading_zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.len() - leading_zeros >= RSA_MODULUS_BYTES_MIN
    })
}
