//! Verifying the bearer token: one header, one of the issuer's keys with that key's algorithm, issuer, audience, subject
//! and time. Addresses and keys that a token brings itself (`jku`, `x5u`, `jwk`) are never looked at. What a token says is
//! verified once for each set of keys, when it is good each time.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use jiff::Timestamp;
use jsonwebtoken::{Header, Validation};
use serde_json::{Map, Value};

use super::believed::{Believed, BelievedTokens, TokenHash};
use super::caller::{Caller, ClaimNames};
use super::jwks::Jwks;
use super::keys::{ALGORITHMS, KeySet};

/// Bytes.
const TOKEN_MAX: usize = 16 * 1024;

/// Why there is no caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    /// No `Authorization` header.
    Missing,
    /// Something else than one believable token.
    Failed,
    /// No key has been had yet: nobody can be believed or disbelieved.
    NoKeys,
}

/// Verifies tokens of one issuer for one audience.
pub(crate) struct Verifier {
    jwks: Arc<Jwks>,
    issuer: String,
    audience: String,
    claims: ClaimNames,
    believed: BelievedTokens,
}

impl Verifier {
    /// Of an issuer's keys, its name and ours as tokens have them, and the names of the claims.
    pub(crate) fn new(jwks: Arc<Jwks>, issuer: String, audience: String, claims: ClaimNames) -> Self {
        Self { jwks, issuer, audience, claims, believed: BelievedTokens::default() }
    }

    /// Whether any token could be verified.
    pub(crate) fn has_keys(&self) -> bool {
        !self.jwks.keys().is_empty()
    }

    /// The caller that the request's token names.
    ///
    /// # Errors
    /// [`Denied`], without a reason that would help to forge one.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Denied> {
        let token = bearer(headers)?;
        let hash = TokenHash::of(token);
        let mut keys = self.jwks.keys();
        if let Some(known) = hash.and_then(|hash| self.believed.get(hash, &keys)) {
            return known.validity.contains(now).then_some(known.caller).ok_or(Denied::Failed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::Failed)?;
        if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(Denied::Failed);
        }
        if keys.named(header.kid.as_deref()).is_empty() {
            self.jwks.refresh_for_unknown(now).await;
            keys = self.jwks.keys();
        }
        if keys.is_empty() {
            return Err(Denied::NoKeys);
        }
        let verified = self.verify(token, &header, &keys).filter(|verified| verified.validity.contains(now));
        let verified = verified.ok_or(Denied::Failed)?;
        if let Some(hash) = hash {
            self.believed.put(hash, &keys, verified.clone());
        }
        Ok(verified.caller)
    }

    fn verify(&self, token: &str, header: &Header, keys: &KeySet) -> Option<Believed> {
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // Times are compared below, with the clock of everything else and without leeway.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let named = keys.named(header.kid.as_deref());
        let claims: Map<String, Value> = named
            .into_iter()
            .filter(|key| key.algorithm == header.alg)
            .find_map(|key| jsonwebtoken::decode(token, &key.key, &validation).ok())?
            .claims;
        Some(Believed { validity: Validity::of(&claims)?, caller: Caller::of(&claims, &self.claims)? })
    }
}

/// The one token of the one header.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (value, more) = (values.next().ok_or(Denied::Missing)?, values.next());
    let text = value.to_str().map_err(|_| Denied::Failed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Denied::Failed)?;
    let fits = (1..=TOKEN_MAX).contains(&token.len()) && !token.contains(' ');
    if more.is_none() && scheme.eq_ignore_ascii_case("bearer") && fits { Ok(token) } else { Err(Denied::Failed) }
}

/// When a token is good, in seconds since 1970. Issuers write them with or without a fraction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Validity {
    /// `nbf`, when there is one.
    begins: Option<f64>,
    /// `exp`.
    expires: f64,
}

impl Validity {
    /// `None` when a claim is missing or is no number.
    pub(super) fn of(claims: &Map<String, Value>) -> Option<Self> {
        let begins = match claims.get("nbf") {
            None | Some(Value::Null) => None,
            Some(begins) => Some(begins.as_f64()?),
        };
        Some(Self { begins, expires: claims.get("exp")?.as_f64()? })
    }

    /// `nbf` not after now, and `exp` after it.
    pub(super) fn contains(self, now: Timestamp) -> bool {
        let now = now.as_duration().as_secs_f64();
        self.begins.is_none_or(|begins| begins <= now) && now < self.expires
    }
}
