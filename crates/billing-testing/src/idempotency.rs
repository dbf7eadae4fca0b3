//! What the fakes keep of idempotency keys.

use std::collections::HashMap;

use billing_domain::ports::{AdminAction, Refusal};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A key is one tenant's and subject's; beside it what was asked, what it made, and when.
pub(crate) type IdempotencyKeys = HashMap<Key, ([u8; 32], Uuid, Timestamp)>;

type Key = (Option<Uuid>, String, String);

/// What the action's key made before, if it stands for the same.
pub(crate) fn earlier(keys: &IdempotencyKeys, action: &AdminAction) -> Result<Option<Uuid>, Refusal> {
    match key(action).and_then(|(key, hash)| keys.get(&key).map(|known| (hash, known))) {
        None => Ok(None),
        Some((_, (.., at))) if action.at.duration_since(*at) > LIFETIME => Ok(None),
        Some((hash, (known, made, _))) if hash == *known => Ok(Some(*made)),
        Some(_) => Err(Refusal::KeyReused),
    }
}

/// Keeps what the action's key made.
pub(crate) fn remember(keys: &mut IdempotencyKeys, action: &AdminAction, made: Uuid) {
    if let Some((key, hash)) = key(action) {
        keys.insert(key, (hash, made, action.at));
    }
}

fn key(action: &AdminAction) -> Option<(Key, [u8; 32])> {
    let (key, hash) = action.idempotency.as_ref()?;
    Some(((action.tenant.map(|tenant| tenant.0), action.actor.clone(), key.clone()), *hash))
}
