//! A usage event: one delivered segment to op-20 by a STARTER account in USD, on 2026-10-05 at 08:00 UTC, unless it is said
//! otherwise.

use billing_domain::usage::{Direction, DlrStatus, ReportedUsage, SegmentCount, UsageEvent};
use billing_domain::{AccountId, MessageId, OperatorId, TenantId, Tier};
use uuid::Uuid;

use super::{currency, next_id, valid};

/// Makes a [`UsageEvent`], or the message as a producer reports it. Clones are the same message: change one to have the
/// same id with other content.
#[derive(Clone, Debug)]
pub struct EventBuilder(UsageEvent);

/// A new message: one delivered segment, MT, to op-20 by account 1 of tenant 1, STARTER, USD, on 2026-10-05 at 08:00 UTC.
#[must_use]
pub fn event() -> EventBuilder {
    EventBuilder(UsageEvent {
        message: MessageId(next_id()),
        tenant: TenantId(Uuid::from_u128(0x7e00_0001)),
        account: AccountId(Uuid::from_u128(0xacc0_0001)),
        tier: valid(Tier::new("STARTER"), "STARTER"),
        operator: valid(OperatorId::new("op-20"), "op-20"),
        direction: Direction::Mt,
        segments: valid(SegmentCount::new(1), "1"),
        currency: currency("USD"),
        charged_at: valid("2026-10-05T08:00:00Z".parse(), "2026-10-05T08:00:00Z"),
        dlr_status: DlrStatus::Delivered,
    })
}

impl EventBuilder {
    /// Under this id.
    #[must_use]
    pub fn message(mut self, message: MessageId) -> Self {
        self.0.message = message;
        self
    }

    /// Of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.0.tenant = tenant;
        self
    }

    /// By this account.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.0.account = account;
        self
    }

    /// Of this tier.
    #[must_use]
    pub fn tier(mut self, tier: &str) -> Self {
        self.0.tier = valid(Tier::new(tier), tier);
        self
    }

    /// Carried by this operator.
    #[must_use]
    pub fn operator(mut self, operator: &str) -> Self {
        self.0.operator = valid(OperatorId::new(operator), operator);
        self
    }

    /// To or from the mobile.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.0.direction = direction;
        self
    }

    /// Of so many segments: 1 to 10.
    #[must_use]
    pub fn segments(mut self, count: i64) -> Self {
        self.0.segments = valid(SegmentCount::new(count), "segments");
        self
    }

    /// In this currency, by its ISO 4217 code.
    #[must_use]
    pub fn currency(mut self, code: &str) -> Self {
        self.0.currency = currency(code);
        self
    }

    /// Charged at this instant, as RFC 3339 writes it.
    #[must_use]
    pub fn at(mut self, charged_at: &str) -> Self {
        self.0.charged_at = valid(charged_at.parse(), charged_at);
        self
    }

    /// Which ended so.
    #[must_use]
    pub fn status(mut self, status: DlrStatus) -> Self {
        self.0.dlr_status = status;
        self
    }

    /// The event, ready to be priced.
    #[must_use]
    pub fn build(self) -> UsageEvent {
        self.0
    }

    /// The message as a producer reports it, with everything that one can say.
    #[must_use]
    pub fn reported(self) -> ReportedUsage {
        let UsageEvent { message, tenant, account, tier, operator, direction, segments, currency, .. } = self.0;
        ReportedUsage {
            message,
            tenant: Some(tenant),
            account,
            tier: Some(tier),
            operator,
            direction,
            segments,
            currency: Some(currency),
            charged_at: self.0.charged_at,
            dlr_status: self.0.dlr_status,
        }
    }
}
