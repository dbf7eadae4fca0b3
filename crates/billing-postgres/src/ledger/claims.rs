//! Claims of message ids, and the judgement of each delivery of a batch against the claim that stands.

use std::collections::{BTreeMap, HashMap};

use billing_domain::MessageId;
use billing_domain::usage::{Claim, ClaimVerdict, Fingerprint, Receipt, judge};
use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{self, Table};
use crate::transaction::Failure;

const TABLE: Table = Table("message_keys");

/// What a delivery claims.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    pub(super) message: MessageId,
    pub(super) fingerprint: Fingerprint,
    pub(super) receipt: Receipt,
    pub(super) charged_at: Timestamp,
}

#[derive(diesel::QueryableByName)]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
}

#[derive(diesel::QueryableByName)]
struct Standing {
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    fingerprint: Uuid,
    #[diesel(sql_type = BigInt)]
    stream_sequence: i64,
    #[diesel(sql_type = Timestamptz)]
    published_at: columns::Instant,
}

impl Standing {
    fn claim(&self) -> Result<Claim, Failure> {
        let sequence = TABLE.count("stream_sequence", self.stream_sequence)?;
        let published_at = columns::timestamp(self.published_at);
        Ok(Claim {
            message: MessageId(self.message_id),
            fingerprint: Fingerprint(self.fingerprint),
            receipt: Receipt { sequence, published_at },
        })
    }
}

/// Claims every id that nobody has claimed and judges all claimants, in their order.
///
/// Within the batch the publication that came first on the stream makes the claim. Ids are claimed in their own
/// order, so that two pods that hold the same ids wait for each other in a line and not in a circle.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    claimants: &[Claimant],
) -> Result<Vec<ClaimVerdict>, Failure> {
    let mut firsts: BTreeMap<Uuid, &Claimant> = BTreeMap::new();
    for claimant in claimants {
        let first = firsts.entry(claimant.message.0).or_insert(claimant);
        if claimant.receipt < first.receipt {
            *first = claimant;
        }
    }
    let made = insert(connection, firsts.values().copied()).await?;
    let mut standing: HashMap<Uuid, (Claim, bool)> = HashMap::with_capacity(firsts.len());
    for id in made {
        if let Some(first) = firsts.remove(&id) {
            let claim = Claim { message: first.message, fingerprint: first.fingerprint, receipt: first.receipt };
            standing.insert(id, (claim, true));
        }
    }
    for row in find(connection, firsts.into_keys().collect()).await? {
        standing.insert(row.message_id, (row.claim()?, false));
    }
    claimants.iter().map(|claimant| verdict(&mut standing, claimant)).collect()
}

/// The delivery that made the claim is new once; the same delivery twice in one batch is a redelivery.
fn verdict(standing: &mut HashMap<Uuid, (Claim, bool)>, claimant: &Claimant) -> Result<ClaimVerdict, Failure> {
    let (claim, made_now) =
        standing.get_mut(&claimant.message.0).ok_or(Failure::Broken("a claim that was there a moment ago is gone"))?;
    let verdict = judge(claim, *made_now, claimant.fingerprint, claimant.receipt);
    if verdict == ClaimVerdict::New {
        *made_now = false;
    }
    Ok(verdict)
}

async fn insert<'a>(
    connection: &mut AsyncPgConnection,
    claimants: impl Iterator<Item = &'a Claimant>,
) -> Result<Vec<Uuid>, Failure> {
    let (mut ids, mut fingerprints, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
    let (mut published, mut charged) = (Vec::new(), Vec::new());
    for claimant in claimants {
        ids.push(claimant.message.0);
        fingerprints.push(claimant.fingerprint.0);
        sequences.push(sequence(claimant.receipt)?);
        published.push(columns::instant(claimant.receipt.published_at));
        charged.push(columns::instant(claimant.charged_at));
    }
    let rows: Vec<Claimed> = diesel::sql_query(
        "INSERT INTO billing.message_keys (message_id, fingerprint, stream_sequence, published_at, charged_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5)
        ON CONFLICT (message_id) DO NOTHING RETURNING message_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<SqlUuid>, _>(fingerprints)
    .bind::<Array<BigInt>, _>(sequences)
    .bind::<Array<Timestamptz>, _>(published)
    .bind::<Array<Timestamptz>, _>(charged)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.message_id).collect())
}

async fn find(connection: &mut AsyncPgConnection, ids: Vec<Uuid>) -> Result<Vec<Standing>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(diesel::sql_query(
        "SELECT message_id, fingerprint, stream_sequence, published_at
        FROM billing.message_keys WHERE message_id = ANY($1)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(connection)
    .await?)
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
        let fingerprint = Fingerprint(Uuid::from_u128(1));
        let receipt = |sequence| Receipt { sequence, published_at: Timestamp::UNIX_EPOCH };
        let message = MessageId(Uuid::from_u128(9));
        let claimant = |sequence, fingerprint| Claimant {
            message,
            fingerprint,
            receipt: receipt(sequence),
            charged_at: Timestamp::UNIX_EPOCH,
        };
        let mut standing = HashMap::from([(message.0, (Claim { message, fingerprint, receipt: receipt(1) }, true))]);
        let other = Fingerprint(Uuid::from_u128(2));
        for (claimant, expected) in [
            (claimant(1, fingerprint), ClaimVerdict::New),
            (claimant(1, fingerprint), ClaimVerdict::Redelivery),
            (claimant(2, fingerprint), ClaimVerdict::Duplicate),
            (claimant(3, other), ClaimVerdict::Conflict),
        ] {
            assert_eq!(verdict(&mut standing, &claimant).unwrap(), expected);
        }
    }
}
