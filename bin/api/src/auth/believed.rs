//! Tokens that were verified a short while ago, so that a signature is checked once and not with each request.
//!
//! A token is known by the SHA-256 of all its bytes, and only as long as the issuer's keys are the very ones that it was
//! verified by. Whether it is in time is asked each time, by whoever looks it up. How many are kept is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::caller::Caller;
use super::keys::KeySet;
use super::token::Validity;

/// Tokens of one generation; two are kept.
const GENERATION_MAX: usize = 2_048;
/// A longer token is verified each time, so that memory stays bounded. Bytes.
const LENGTH_MAX: usize = 4 * 1024;

/// What a token is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    /// `None` for one that is too long to be kept.
    pub(super) fn of(token: &str) -> Option<Self> {
        (token.len() <= LENGTH_MAX).then(|| Self(Sha256::digest(token).into()))
    }
}

/// Who a verified token names, and when it is good.
#[derive(Clone)]
pub(super) struct Believed {
    pub(super) caller: Caller,
    pub(super) validity: Validity,
}

/// Those that were seen of late.
#[derive(Default)]
pub(super) struct BelievedTokens(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    keys: Option<Arc<KeySet>>,
    young: HashMap<TokenHash, Believed>,
    old: HashMap<TokenHash, Believed>,
}

impl BelievedTokens {
    /// What was found of this token when these keys verified it.
    pub(super) fn get(&self, token: TokenHash, keys: &Arc<KeySet>) -> Option<Believed> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.are_of(keys) {
            return None;
        }
        if let Some(believed) = known.young.get(&token) {
            return Some(believed.clone());
        }
        let believed = known.old.remove(&token)?;
        known.keep(token, believed.clone());
        Some(believed)
    }

    /// Remembers a token that these keys have verified.
    pub(super) fn put(&self, token: TokenHash, keys: &Arc<KeySet>, believed: Believed) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.are_of(keys) {
            *known = Generations { keys: Some(Arc::clone(keys)), ..Generations::default() };
        }
        known.keep(token, believed);
    }
}

impl Generations {
    fn are_of(&self, keys: &Arc<KeySet>) -> bool {
        self.keys.as_ref().is_some_and(|own| Arc::ptr_eq(own, keys))
    }

    /// What has not been asked for since the last generation began, is forgotten with the next.
    fn keep(&mut self, token: TokenHash, believed: Believed) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, believed);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::ClaimNames;

    fn believed(subject: &str) -> Believed {
        let name = || "unused".to_owned();
        let names = ClaimNames { tenant: name(), account: name(), scope: name(), roles: name() };
        let claims = json!({"sub": subject, "exp": 1});
        let claims = claims.as_object().unwrap();
        Believed { caller: Caller::of(claims, &names).unwrap(), validity: Validity::of(claims).unwrap() }
    }

    fn hash(token: &str) -> TokenHash {
        TokenHash::of(token).unwrap()
    }

    #[test]
    fn a_token_is_known_as_long_as_its_keys_are() {
        let (tokens, keys, same_again) = (BelievedTokens::default(), Arc::default(), Arc::default());
        tokens.put(hash("a"), &keys, believed("me"));
        let seen = |token: &str, keys| tokens.get(hash(token), keys).map(|found| found.caller.subject);
        assert_eq!(seen("a", &keys).as_deref(), Some("me"));
        assert_eq!(seen("b", &keys), None);
        assert_eq!(seen("a", &same_again), None, "keys that were fetched again");
        tokens.put(hash("b"), &same_again, believed("you"));
        assert_eq!((seen("a", &keys), seen("a", &same_again), seen("b", &keys)), (None, None, None));
        assert_eq!(seen("b", &same_again).as_deref(), Some("you"));
    }

    #[test]
    fn no_more_are_kept_than_two_generations_and_those_in_use_stay() {
        let (tokens, keys) = (BelievedTokens::default(), Arc::default());
        tokens.put(hash("in use"), &keys, believed("me"));
        for number in 0..5 * GENERATION_MAX {
            tokens.put(hash(&number.to_string()), &keys, believed("other"));
            assert!(tokens.get(hash("in use"), &keys).is_some(), "{number}");
        }
        let known = tokens.0.lock().unwrap();
        assert!(known.young.len() <= GENERATION_MAX && known.old.len() <= GENERATION_MAX);
        assert!(!known.young.contains_key(&hash("0")) && !known.old.contains_key(&hash("0")));
        assert!(
            TokenHash::of(&"x".repeat(LENGTH_MAX)).is_some() && TokenHash::of(&"x".repeat(LENGTH_MAX + 1)).is_none()
        );
    }
}
