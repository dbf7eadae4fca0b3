//! Claims of message ids, and the judgement of each delivery of a batch against the claim that stands.

use std::collections::{BTreeSet, HashMap, HashSet};

use billing_domain::MessageId;
use billing_domain::usage::{Claim, ClaimVerdict, Fingerprint, Receipt, judge};
use jiff::Timestamp;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::rows::{self, Row};
use crate::columns::Table;
use crate::session::Session;
use crate::transaction::Failure;

const TABLE: Table = Table("message_keys");

/// What stands of some ids.
pub(super) const FIND: &str = "SELECT message_id, fingerprint, stream_sequence, published_at
    FROM billing.message_keys WHERE message_id = ANY($1)";
const COPY: &str = "COPY billing.message_keys (message_id, fingerprint, stream_sequence, published_at, charged_at)
    FROM STDIN (FORMAT binary)";
/// Waits for another writer of the same ids instead of failing.
const INSERT: &str = "INSERT INTO billing.message_keys
        (message_id, fingerprint, stream_sequence, published_at, charged_at)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
    ON CONFLICT (message_id) DO NOTHING RETURNING message_id";

/// What a delivery claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    pub(super) message: MessageId,
    pub(super) fingerprint: Fingerprint,
    pub(super) receipt: Receipt,
    pub(super) charged_at: Timestamp,
}

impl Claimant {
    fn claim(&self) -> Claim {
        Claim { message: self.message, fingerprint: self.fingerprint, receipt: self.receipt }
    }
}

/// The claimants of a batch by id, and within an id by their place on the stream: the publication that came first makes
/// the claim. Ids are claimed in their own order, so that two pods that hold the same ids wait for each other in a line
/// and not in a circle.
pub(super) struct Claimants<'a> {
    all: &'a [Claimant],
    /// Places in `all`.
    ordered: Vec<usize>,
}

impl<'a> Claimants<'a> {
    pub(super) fn new(all: &'a [Claimant]) -> Self {
        let mut ordered: Vec<usize> = (0..all.len()).collect();
        ordered.sort_unstable_by_key(|&place| (all[place].message, all[place].receipt, place));
        Self { all, ordered }
    }

    /// Every id once, ascending.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.groups().map(|group| self.all[group[0]].message.0).collect()
    }

    /// Leaves out deliveries that came before and stay what they were then: they claim nothing, and are redeliveries.
    pub(super) fn leave_out(&mut self, receipts: &BTreeSet<Receipt>) {
        if !receipts.is_empty() {
            self.ordered.retain(|&place| !receipts.contains(&self.all[place].receipt));
        }
    }

    /// The places of each id's claimants.
    fn groups(&self) -> impl Iterator<Item = &[usize]> {
        self.ordered.chunk_by(|&a, &b| self.all[a].message == self.all[b].message)
    }

    fn firsts(&self, found: &HashMap<Uuid, Claim>) -> Vec<&'a Claimant> {
        let firsts = self.groups().map(|group| &self.all[group[0]]);
        firsts.filter(|first| !found.contains_key(&first.message.0)).collect()
    }

    /// Claims every id that nobody has claimed, and judges all claimants, in their order. `found` is what stood when it
    /// was looked for in this transaction. Someone may have come in between: then it fails as contested, and the next
    /// attempt is to be `careful`.
    pub(super) async fn claim(
        &self,
        session: &Session,
        found: &mut HashMap<Uuid, Claim>,
        careful: bool,
    ) -> Result<Vec<ClaimVerdict>, Failure> {
        let firsts = self.firsts(found);
        if careful {
            let made = insert(session, &firsts).await?;
            let lost: Vec<Uuid> =
                firsts.iter().map(|first| first.message.0).filter(|message| !made.contains(message)).collect();
            found.extend(read(&session.query(FIND, &[&lost]).await?)?);
        } else {
            copy(session, &firsts).await?;
        }
        Ok(self.judge(found))
    }

    fn judge(&self, found: &HashMap<Uuid, Claim>) -> Vec<ClaimVerdict> {
        let mut verdicts = vec![ClaimVerdict::Redelivery; self.all.len()];
        for group in self.groups() {
            let first = &self.all[group[0]];
            let known = found.get(&first.message.0);
            let standing = known.copied().unwrap_or_else(|| first.claim());
            // The delivery that made the claim is new once; the same delivery twice in one batch is a redelivery.
            let mut made_now = known.is_none();
            for &place in group {
                let claimant = &self.all[place];
                verdicts[place] = judge(&standing, made_now, claimant.fingerprint, claimant.receipt);
                made_now &= verdicts[place] != ClaimVerdict::New;
            }
        }
        verdicts
    }
}

/// The claims that stand, by id.
pub(super) fn read(rows: &[tokio_postgres::Row]) -> Result<HashMap<Uuid, Claim>, Failure> {
    let claim = |row: &tokio_postgres::Row| {
        let id: Uuid = row.try_get(0)?;
        let sequence = TABLE.count("stream_sequence", row.try_get(2)?)?;
        let receipt = Receipt { sequence, published_at: row.try_get(3)? };
        Ok((id, Claim { message: MessageId(id), fingerprint: Fingerprint(row.try_get(1)?), receipt }))
    };
    rows.iter().map(claim).collect()
}

async fn copy(session: &Session, firsts: &[&Claimant]) -> Result<(), Failure> {
    if firsts.is_empty() {
        return Ok(());
    }
    let put = |row: &mut Row<'_>, first: &&Claimant| {
        row.uuid(first.message.0).uuid(first.fingerprint.0).bigint(sequence(first.receipt)?);
        row.instant(first.receipt.published_at).instant(first.charged_at);
        Ok(())
    };
    match rows::copy(session, COPY, 5, firsts, put).await {
        Err(Failure::Driver(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            Err(Failure::Contested("another writer has claimed the same messages"))
        }
        copied => copied,
    }
}

async fn insert(session: &Session, firsts: &[&Claimant]) -> Result<HashSet<Uuid>, Failure> {
    let ids: Vec<Uuid> = firsts.iter().map(|first| first.message.0).collect();
    let fingerprints: Vec<Uuid> = firsts.iter().map(|first| first.fingerprint.0).collect();
    let sequences = firsts.iter().map(|first| sequence(first.receipt)).collect::<Result<Vec<i64>, _>>()?;
    let published: Vec<Timestamp> = firsts.iter().map(|first| first.receipt.published_at).collect();
    let charged: Vec<Timestamp> = firsts.iter().map(|first| first.charged_at).collect();
    let made = session.query(INSERT, &[&ids, &fingerprints, &sequences, &published, &charged]).await?;
    made.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// A stream's sequence number as a column holds it.
pub(super) fn sequence(receipt: Receipt) -> Result<i64, Failure> {
    i64::try_from(receipt.sequence).map_err(|_| Failure::Broken("a stream sequence beyond 2^63"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delivery_that_made_the_claim_is_new_once() {
        let (same, other) = (Fingerprint(Uuid::from_u128(1)), Fingerprint(Uuid::from_u128(2)));
        let claimant = |message, sequence, fingerprint| Claimant {
            message: MessageId(Uuid::from_u128(message)),
            fingerprint,
            receipt: Receipt { sequence, published_at: Timestamp::UNIX_EPOCH },
            charged_at: Timestamp::UNIX_EPOCH,
        };
        // In the order of delivery, which is not that of the stream; message 7 was recorded before, from place 3.
        let all = [
            claimant(9, 5, other),
            claimant(9, 2, same),
            claimant(9, 2, same),
            claimant(9, 4, same),
            claimant(7, 3, same),
            claimant(7, 6, same),
        ];
        let mut claimants = Claimants::new(&all);
        assert_eq!(claimants.ids(), [Uuid::from_u128(7), Uuid::from_u128(9)]);
        let found = HashMap::from([(Uuid::from_u128(7), all[4].claim())]);
        use ClaimVerdict::{Conflict, Duplicate, New, Redelivery};
        assert_eq!(claimants.judge(&found), [Conflict, New, Redelivery, Duplicate, Redelivery, Duplicate]);
        // Were the first publication aside, the second would make the claim.
        claimants.leave_out(&BTreeSet::from([all[1].receipt]));
        assert_eq!(claimants.judge(&found), [Conflict, Redelivery, Redelivery, New, Redelivery, Duplicate]);
    }
}
