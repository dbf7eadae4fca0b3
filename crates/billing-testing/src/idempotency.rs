//! What the fakes keep of idempotency keys.

use std::collections::HashMap;

use billing_domain::ports::{AdminAction, Refusal};
use uuid::Uuid;

/// A key is one tenant's and subject's; beside it what was asked and what it made.
pub(crate) type IdempotencyKeys = HashMap<Key, ([u8; 32], Uuid)>;

type Key = (Option<Uuid>, String, String);

/// What the action's key made before, if it stands for the same.
pub(crate) fn earlier(keys: &IdempotencyKeys, action: &AdminAction) -> Result<Option<Uuid>, Refusal> {
    match key(action).and_then(|(key, hash)| keys.get(&key).map(|known| (hash, known))) {
        None => Ok(None),
        Some((hash, (known, made))) if hash == *known => Ok(Some(*made)),
        Some(_) => Err(Refusal::KeyReused),
    }
}

/// Keeps what the action's key made.
pub(crate) fn remember(keys: &mut IdempotencyKeys, action: &AdminAction, made: Uuid) {
    if let Some((key, hash)) = key(action) {
        keys.insert(key, (hash, made));
    }
}

fn key(action: &AdminAction) -> Option<(Key, [u8; 32])> {
    let (key, hash) = action.idempotency.as_ref()?;
    Some(((action.tenant.map(|tenant| tenant.0), action.actor.clone(), key.clone()), *hash))
}
