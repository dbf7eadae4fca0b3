//! Finds one message, recorded or waiting, with what its price is explained by.

use billing_domain::ports::{
    PortError, PriceAsked, PricesFound, PricingReader, RatedFound, UnratedFilter, UnratedPage, UsageFound, WaitingFound,
};
use billing_domain::pricing::{CostShare, PriceEnquiry};
use billing_domain::usage::{UnratedUsage, UsageEvent};
use billing_domain::{AccountId, CostId, Day, MessageId, Micros, PriceId, TenantId};
use diesel::OptionalExtension;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::Postgres;
use crate::columns::{self, Table};
use crate::ledger::{SummariseUnrated, find_waiting};
use crate::transaction::{Failure, Reach, Transaction};

use super::list::price_row;
use super::resolve::{FindPrices, complete, standing};

const TABLE: Table = Table("billing_events");

impl PricingReader for Postgres {
    async fn find_usage(&self, message: MessageId) -> Result<Option<UsageFound>, PortError> {
        Ok(self.write(&FindUsage(message)).await?)
    }

    async fn find_prices(&self, asked: &PriceAsked) -> Result<Option<PricesFound>, PortError> {
        Ok(self.write(&FindPrices(asked)).await?)
    }

    async fn unrated(&self, filter: &UnratedFilter, after: Option<&str>, limit: u32) -> Result<UnratedPage, PortError> {
        Ok(self.read(&SummariseUnrated { filter, after, limit }).await?)
    }
}

/// A message, by the snapshot of one instant: it cannot be on its way from waiting to recorded.
struct FindUsage(MessageId);

#[derive(diesel::QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = BigInt)]
    stream_sequence: i64,
    #[diesel(sql_type = Timestamptz)]
    charged_at: columns::Instant,
}

#[derive(diesel::QueryableByName)]
struct EventRow {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    price_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    cost_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    amount_micros: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    cost_micros: Option<i64>,
    #[diesel(sql_type = SmallInt)]
    segments: i16,
    #[diesel(sql_type = Text)]
    operator_id: String,
    #[diesel(sql_type = Text)]
    tier: String,
    #[diesel(sql_type = Text)]
    direction: String,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Nullable<Text>)]
    cost_currency: Option<String>,
    #[diesel(sql_type = Text)]
    dlr_status: String,
}

impl Transaction for FindUsage {
    const NAME: &'static str = "find_usage";
    const READ_ONLY: bool = true;
    type Output = Option<UsageFound>;

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Platform)
    }

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Option<UsageFound>, Failure> {
        if let Some(waits) = find_waiting(connection, self.0).await? {
            return Ok(Some(UsageFound::Waiting(Box::new(waiting(connection, waits).await?))));
        }
        // Events have no index of message ids, but their claim knows the month and the place on the stream.
        let claim: Option<ClaimRow> =
            diesel::sql_query("SELECT stream_sequence, charged_at FROM billing.message_keys WHERE message_id = $1")
                .bind::<SqlUuid, _>(self.0.0)
                .get_result(connection)
                .await
                .optional()?;
        let Some(claim) = claim else { return Ok(None) };
        let row: Option<EventRow> = diesel::sql_query(
            "SELECT account_id, tenant_id, price_id, cost_id, amount_micros, cost_micros, segments, operator_id, tier,
                direction, currency, cost_currency, dlr_status
            FROM billing.billing_events WHERE stream_sequence = $1 AND charged_at = $2 AND message_id = $3",
        )
        .bind::<BigInt, _>(claim.stream_sequence)
        .bind::<Timestamptz, _>(claim.charged_at)
        .bind::<SqlUuid, _>(self.0.0)
        .get_result(connection)
        .await
        .optional()?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(UsageFound::Rated(Box::new(rated(connection, self.0, &claim, &row).await?))))
    }
}

async fn rated(
    connection: &mut AsyncPgConnection,
    message: MessageId,
    claim: &ClaimRow,
    row: &EventRow,
) -> Result<RatedFound, Failure> {
    let event = UsageEvent {
        message,
        tenant: TenantId(row.tenant_id),
        account: AccountId(row.account_id),
        tier: TABLE.tier(&row.tier)?,
        operator: TABLE.operator(&row.operator_id)?,
        direction: TABLE.direction(&row.direction)?,
        segments: TABLE.segments(row.segments)?,
        currency: TABLE.currency(&row.currency)?,
        charged_at: columns::timestamp(claim.charged_at),
        dlr_status: TABLE.dlr_status(&row.dlr_status)?,
    };
    let cost = match (row.cost_id, row.cost_micros, &row.cost_currency) {
        (Some(id), Some(micros), Some(currency)) => {
            Some(CostShare { cost: CostId(id), amount: Micros(micros), currency: TABLE.currency(currency)? })
        }
        _ => None,
    };
    let price = price_row(connection, PriceId(row.price_id)).await?.ok_or(TABLE.bad("price_id"))?.price()?;
    let prices = standing(connection, &PriceEnquiry::of(&event)).await?;
    Ok(RatedFound { event, price, amount: Micros(row.amount_micros), cost, prices })
}

async fn waiting(connection: &mut AsyncPgConnection, waits: UnratedUsage) -> Result<WaitingFound, Failure> {
    let UnratedUsage { receipt, usage, reason, .. } = waits;
    let asked = PriceAsked {
        account: Some(usage.account),
        tier: usage.tier.clone(),
        operator: usage.operator.clone(),
        direction: usage.direction,
        currency: usage.currency,
        day: Day::of(usage.charged_at),
    };
    let enquiry = complete(connection, &asked).await?;
    let prices = match &enquiry {
        Some(enquiry) => standing(connection, enquiry).await?,
        None => Vec::new(),
    };
    Ok(WaitingFound { usage, reason, since: receipt.published_at, enquiry, prices })
}
