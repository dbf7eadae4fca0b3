//! Keyset cursors: opaque, and good only for the list, the filter and the reader that they came from.
//!
//! A cursor is the last row's key and a hash of the question. It grants nothing: whoever forges one names a place in a
//! list that he may read anyway.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_domain::{Day, InvoiceId, Month};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const HASH: usize = 8;

/// What a list's rows are ordered by.
pub(crate) trait Key: Sized {
    /// In one way only.
    fn to_bytes(&self) -> Vec<u8>;

    /// The key of those bytes, if there is one.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Key for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

/// A place in a list of which the store alone knows the order.
impl Key for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // PostgreSQL takes no NUL in a text.
        Self::from_utf8(bytes.to_vec()).ok().filter(|text| !text.contains('\0'))
    }
}

impl Key for (Month, InvoiceId) {
    fn to_bytes(&self) -> Vec<u8> {
        let (month, id) = self;
        [month.first_day().epoch_days().to_be_bytes().as_slice(), id.0.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (days, id) = bytes.split_first_chunk()?;
        let first = Day::from_epoch_days(i32::from_be_bytes(*days)).ok()?;
        Some((first.month(), InvoiceId(Uuid::from_slice(id).ok()?)))
    }
}

/// What a list was asked for, apart from the place in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Question([u8; HASH]);

impl Question {
    /// Of a list's name, whose rows its reader sees, and its filters, in any order.
    pub(crate) fn new(list: &str, reach: &str, filters: &[(String, String)]) -> Self {
        let mut sorted: Vec<_> = filters.iter().collect();
        sorted.sort();
        let mut hash = Sha256::new();
        for text in [list, reach].into_iter().chain(sorted.into_iter().flat_map(|(name, value)| [name.as_str(), value]))
        {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        }
        let mut short = [0; HASH];
        short.copy_from_slice(&hash.finalize()[..HASH]);
        Self(short)
    }

    /// The cursor of the place after a row.
    pub(crate) fn cursor(&self, last: &impl Key) -> String {
        URL_SAFE_NO_PAD.encode([last.to_bytes().as_slice(), &self.0].concat())
    }

    /// The row after which a cursor goes on.
    pub(crate) fn read<K: Key>(&self, cursor: &str) -> Result<K, &'static str> {
        const REFUSED: &str = "is not a cursor of this list with these filters";
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| REFUSED)?;
        let (key, hash) = bytes.split_last_chunk::<HASH>().ok_or(REFUSED)?;
        if *hash != self.0 {
            return Err(REFUSED);
        }
        K::from_bytes(key).ok_or(REFUSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_hold_for_their_own_question_only() {
        let filter = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect::<Vec<_>>();
        let growth = Question::new("pricing", "staff", &filter(&[("accountTier", "GROWTH"), ("operatorId", "20")]));
        let key = Uuid::from_u128(7);
        let cursor = growth.cursor(&key);
        for (question, expected) in [
            (growth.clone(), Ok(key)),
            (Question::new("pricing", "staff", &filter(&[("operatorId", "20"), ("accountTier", "GROWTH")])), Ok(key)),
            (Question::new("pricing", "staff", &filter(&[("accountTier", "GROWTH")])), Err(())),
            (Question::new("pricing", "a", &filter(&[("accountTier", "GROWTH"), ("operatorId", "20")])), Err(())),
            (Question::new("pricing", "staff", &filter(&[("accountTier", "GROWTHo"), ("peratorId", "20")])), Err(())),
            (
                Question::new("operator-costs", "staff", &filter(&[("accountTier", "GROWTH"), ("operatorId", "20")])),
                Err(()),
            ),
        ] {
            assert_eq!(question.read(&cursor).map_err(|_| ()), expected);
        }
        for garbage in ["", "AAAA", "!", &cursor[1..], &format!("{cursor}A"), &"A".repeat(10_000)] {
            assert!(growth.read::<Uuid>(garbage).is_err(), "{garbage}");
        }
        let place = (Month::parse("2026-10").unwrap(), InvoiceId(key));
        assert_eq!(growth.read(&growth.cursor(&place)), Ok(place));
        assert!(growth.read::<(Month, InvoiceId)>(&cursor).is_err());
    }
}
