//! `GET /v1/admin/pricing/resolve`: what a message would cost, without one.

use actix_web::HttpResponse;
use billing_domain::ports::{PriceAsked, PricesFound};
use billing_domain::pricing::{Arithmetic, Rule, cost_share, resolve as resolve_among};
use billing_domain::usage::{Direction, DlrStatus, SegmentCount};
use billing_domain::{AccountId, Currency, Day, MoneyError, OperatorId, Tier};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use super::grounds::{ArithmeticView, CostView, MarginView, PriceCandidate, PriceInForce, candidates, example};
use crate::http::answer;
use crate::http::fields::{Fields, day, one_of, uuid};
use crate::http::problem::{FieldError, Kind, Place, Problem};
use crate::routes::call::Call;
use crate::routes::document::{self, Operation};
use crate::routes::terms::DIRECTIONS;
use crate::services::Store;

/// What a message would cost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PriceAnswer {
    /// The account that was asked about; null: a tier was.
    #[schema(required = true)]
    account_id: Option<Uuid>,
    /// As asked, or the account's on that day.
    #[schema(example = "GROWTH")]
    account_tier: String,
    /// As asked.
    #[schema(example = "41220")]
    operator_id: String,
    /// As asked.
    #[schema(example = "MT")]
    direction: &'static str,
    /// As asked, or the account's main one on that day.
    #[schema(example = "USD")]
    currency: String,
    /// The UTC day that decides.
    #[schema(format = Date)]
    day: String,
    /// As asked; default 1.
    segment_count: u8,
    /// As asked; default `DELIVERED`.
    #[schema(example = "DELIVERED")]
    dlr_status: &'static str,
    /// In the order in which they are asked.
    candidates: Vec<PriceCandidate>,
    /// The rule that wins; null: such a message would wait unrated.
    #[schema(required = true, example = "ACCOUNT_ANY")]
    rule: Option<&'static str>,
    /// Why that rule, or why none.
    #[schema(example = "account + *: first hit, nothing more specific has a price on that day")]
    reason: String,
    /// The price that wins.
    #[schema(required = true)]
    price: Option<PriceInForce>,
    /// How the amount would come about; null without a price.
    #[schema(required = true)]
    arithmetic: Option<ArithmeticView>,
    /// What the operator would charge; null: no cost is in force.
    #[schema(required = true)]
    cost: Option<CostView>,
    /// What would be left; null without a price.
    #[schema(required = true)]
    margin: Option<MarginView>,
}

/// Prices a message that does not exist.
pub(crate) async fn resolve<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let asked = read(&mut query, call.now);
    let segments = query.optional("segments", segment_count).or(SegmentCount::new(1).ok());
    let status = query.optional("dlrStatus", dlr_status).unwrap_or(DlrStatus::Delivered);
    let (asked, segments) = query.finish(asked.zip(segments))?;
    let found = call.services.run(async move |store: S| store.find_prices(&asked).await).await?;
    let found = found.ok_or_else(|| {
        let detail = "has no profile, which would say tier and currency: give accountTier and currency as well";
        let error = FieldError { place: Place::Query, pointer: "/accountId".into(), detail: detail.into() };
        Problem::refused(Kind::Invalid, vec![error])
    })?;
    let answer = PriceAnswer::of(&found, segments, status);
    if let Some(account) = found.enquiry.account {
        call.note_read(Some(account), "price").await?;
    }
    answer::ok(&answer.map_err(|error| Problem::caused(Kind::Internal, error))?)
}

fn read(query: &mut Fields, now: Timestamp) -> Option<PriceAsked> {
    let (has_account, has_tier) = (query.has("accountId"), query.has("accountTier"));
    if !has_account && !has_tier {
        query.refuse("accountId", "is required unless accountTier is given");
    }
    if !has_account && !query.has("currency") {
        query.refuse("currency", "is required unless accountId is given, whose profile says it");
    }
    let account = query.optional("accountId", uuid).map(AccountId);
    let tier = query.optional("accountTier", Tier::new);
    let operator = query.required("operatorId", OperatorId::new);
    let direction = query.required("direction", one_of(&DIRECTIONS));
    let currency = query.optional("currency", Currency::new);
    let day = query.optional("at", instant_or_day).unwrap_or_else(|| Day::of(now));
    Some(PriceAsked { account, tier, operator: operator?, direction: direction?, currency, day })
}

fn instant_or_day(text: &str) -> Result<Day, &'static str> {
    const WANTED: &str = "is an RFC 3339 instant in UTC, or a day of the calendar, written YYYY-MM-DD";
    if let Ok(day) = day(text) {
        return Ok(day);
    }
    let instant = text.ends_with('Z').then(|| text.parse::<Timestamp>().ok()).flatten();
    // The calendar of days begins there.
    instant.filter(|at| *at >= Timestamp::UNIX_EPOCH).map(Day::of).ok_or(WANTED)
}

fn segment_count(text: &str) -> Result<SegmentCount, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let count = text.parse().ok().filter(|_| plain).and_then(|count| SegmentCount::new(count).ok());
    count.ok_or("is a number from 1 to 10")
}

fn dlr_status(text: &str) -> Result<DlrStatus, String> {
    DlrStatus::from_name(text).ok_or_else(|| format!("is one of {}", DlrStatus::ALL.map(DlrStatus::name).join(", ")))
}

impl PriceAnswer {
    fn of(found: &PricesFound, segments: SegmentCount, status: DlrStatus) -> Result<Self, MoneyError> {
        let PricesFound { enquiry, prices, costs } = found;
        let resolution = resolve_among(prices, enquiry);
        let cost = cost_share(costs, enquiry, segments)?;
        let winner = resolution.winner.map(|(_, price)| price);
        let arithmetic = winner.map(|price| Arithmetic::of(&price.terms, segments, status)).transpose()?;
        let margin = |arithmetic: &Arithmetic| MarginView::of(arithmetic.amount, enquiry.currency, cost.as_ref());
        Ok(Self {
            account_id: enquiry.account.map(|account| account.0),
            account_tier: enquiry.tier.to_string(),
            operator_id: enquiry.operator.to_string(),
            direction: enquiry.direction.name(),
            currency: enquiry.currency.to_string(),
            day: enquiry.day.to_string(),
            segment_count: segments.get(),
            dlr_status: status.name(),
            candidates: candidates(&resolution),
            rule: resolution.winner.map(|(rule, _)| Rule::name(rule)),
            reason: resolution.reason(),
            price: winner.map(PriceInForce::of),
            margin: arithmetic.as_ref().map(margin),
            arithmetic: arithmetic.zip(winner).map(|(arithmetic, price)| ArithmeticView::of(&arithmetic, price)),
            cost: cost.as_ref().map(CostView::of),
        })
    }
}

/// `GET /v1/admin/pricing/resolve`.
pub(crate) fn resolving() -> Operation {
    let directions = DIRECTIONS.map(|(_, name)| name);
    Operation::new("resolvePrice", TAG, "What a message would cost")
        .says(
            "The same answer as for a message, without one. Tier and currency are those of the account's profile on that \
             day unless they are given; without an account, the price of a tier is asked for. Every \
             read about an account is noted in the audit log.",
        )
        .parameter("accountId", document::uuid(), "Whose price. Required unless `accountTier` is given.")
        .parameter("accountTier", document::text("GROWTH"), "The tier; default: the account's on that day.")
        .required_parameter("operatorId", document::operator_id(), "The operator that would carry it.")
        .required_parameter("direction", document::text_of(&directions, Direction::Mt.name()), "To or from the mobile.")
        .parameter("currency", document::text("USD"), "ISO 4217; default: the account's main one on that day.")
        .parameter("at", document::text("2026-10-05T08:00:00Z"), "An instant, or a day, in UTC; default: now.")
        .parameter("segments", document::text("3"), "1 to 10; default 1.")
        .parameter(
            "dlrStatus",
            document::text_of(&DlrStatus::ALL.map(DlrStatus::name), DlrStatus::Delivered.name()),
            "How it would end; default `DELIVERED`.",
        )
        .answers(200, "The answer.", &example())
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

fn example() -> PriceAnswer {
    PriceAnswer {
        account_id: Some(Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_0001)),
        account_tier: "GROWTH".into(),
        operator_id: "41220".into(),
        direction: "MT",
        currency: "USD".into(),
        day: "2026-10-05".into(),
        segment_count: 3,
        dlr_status: "DELIVERED",
        candidates: example::candidates(),
        rule: Some("ACCOUNT_ANY"),
        reason: "account + *: first hit, nothing more specific has a price on that day".into(),
        price: Some(example::price()),
        arithmetic: Some(example::arithmetic()),
        cost: Some(example::cost()),
        margin: Some(example::margin()),
    }
}
