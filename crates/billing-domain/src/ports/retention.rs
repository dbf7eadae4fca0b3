//! How long what is no longer needed is kept.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};

use crate::usage::claims_end;

use super::PortError;
use super::quarantine::KEPT_TIME_MAX;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Before which instants things may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionLimits {
    /// Now.
    pub now: Timestamp,
    /// Claims and duplicates that were charged and published before: 14 months. A duplicate of theirs is older than
    /// 13 months and is quarantined unseen. Both instants count: a message may name an earlier one than its
    /// publication, or, replayed when its time had come, a later one.
    pub claims: Timestamp,
    /// The bytes of quarantined messages that arrived before: 30 days. They may hold personal data.
    pub raw: Timestamp,
    /// Invoice events published before: 30 days; the stream itself keeps them for 7.
    pub outbox: Timestamp,
    /// Idempotency keys made before: 24 hours.
    pub keys: Timestamp,
}

impl RetentionLimits {
    /// The limits of this moment.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let days = |count: i32| now.checked_sub(DAY * count).unwrap_or(Timestamp::MIN);
        let raw = now.checked_sub(KEPT_TIME_MAX).unwrap_or(Timestamp::MIN);
        Self { now, claims: claims_end(now), raw, outbox: days(30), keys: days(1) }
    }
}

/// What one step of purging did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Purged {
    /// Claims removed.
    pub claims: u64,
    /// Duplicates removed.
    pub duplicates: u64,
    /// Quarantined messages whose bytes were removed; the rows stay.
    pub raw: u64,
    /// Published outbox entries removed.
    pub outbox: u64,
    /// Idempotency keys removed.
    pub keys: u64,
    /// Whether another step has something to do at once.
    pub is_more: bool,
}

/// Removes what has had its time. The audit log is never touched.
pub trait Retention {
    /// One bounded step; `None` while another pod does one.
    fn purge(&self, limits: &RetentionLimits) -> impl Future<Output = Result<Option<Purged>, PortError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_counted_back_from_now() {
        let limits = RetentionLimits::at("2026-11-22T12:00:00Z".parse().unwrap());
        let shown = [limits.claims, limits.raw, limits.outbox, limits.keys].map(|at| at.to_string());
        let expected = ["2025-09-22T12:00:00Z", "2026-10-23T12:00:00Z", "2026-10-23T12:00:00Z", "2026-11-21T12:00:00Z"];
        assert_eq!(shown, expected);
    }
}
