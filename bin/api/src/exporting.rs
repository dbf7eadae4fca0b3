//! Whose usage is on its way as a file: one at a time of each account, so that one account does not hold every place.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use billing_domain::AccountId;

/// The accounts.
#[derive(Clone, Default)]
pub(crate) struct Exporting(Arc<Mutex<HashSet<AccountId>>>);

/// An account's turn, which ends with this value.
pub(crate) struct Turn {
    account: AccountId,
    all: Exporting,
}

impl Exporting {
    /// The account's turn, unless it is taken.
    pub(crate) fn take(&self, account: AccountId) -> Option<Turn> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        is_free.then(|| Turn { account, all: self.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_account_has_one_turn_at_a_time() {
        let (all, [one, other]) = (Exporting::default(), [1, 2].map(|number| AccountId(Uuid::from_u128(number))));
        let turn = all.take(one);
        assert!(turn.is_some() && all.take(one).is_none() && all.take(other).is_some());
        drop(turn);
        assert!(all.take(one).is_some());
    }
}
