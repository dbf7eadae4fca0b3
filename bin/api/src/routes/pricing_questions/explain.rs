//! `GET /v1/admin/pricing/explain`: why a message costs what it costs, or what it waits for.

use actix_web::HttpResponse;
use billing_domain::ports::{RatedFound, UsageFound, WaitingFound};
use billing_domain::pricing::{Arithmetic, Correction, Drift, PriceEnquiry, Resolution, Rule, in_force, resolve};
use billing_domain::usage::{ReportedUsage, UnratedReason, UsageEvent};
use billing_domain::{Day, MessageId, MoneyError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use super::grounds::{ArithmeticView, CostView, MarginView, PriceCandidate, PriceInForce, candidates, example};
use crate::http::answer;
use crate::http::fields::uuid;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::document::{self, Operation};
use crate::services::Store;

/// No price is mended so often.
const CORRECTIONS_MAX: u32 = 1_000;

/// Why a message costs what it costs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    /// The message.
    message_id: Uuid,
    /// `RATED` or `UNRATED`.
    #[schema(example = "RATED")]
    state: &'static str,
    /// What was reported of it.
    event: EventFacts,
    /// The UTC day that decides. Inclusive in the periods of prices.
    #[schema(format = Date)]
    day: String,
    /// In the order in which they are asked, by today's prices; empty when the account is not known.
    candidates: Vec<PriceCandidate>,
    /// The rule of the price that it was rated by; null while it waits.
    #[schema(required = true, example = "ACCOUNT_ANY")]
    rule: Option<&'static str>,
    /// Why that rule, or why none.
    #[schema(example = "account + *: first hit, nothing more specific has a price on that day")]
    reason: String,
    /// The price that was pinned when it was rated: the truth, whatever changed since.
    #[schema(required = true)]
    price: Option<PriceInForce>,
    /// How today's prices would decide otherwise; null: they agree.
    #[schema(required = true)]
    changed_since: Option<String>,
    /// The correction that holds on that day: what it changes is on the account's invoices, never on the message.
    #[schema(required = true)]
    corrected_by: Option<CorrectedBy>,
    /// How the amount comes about; null while it waits.
    #[schema(required = true)]
    arithmetic: Option<ArithmeticView>,
    /// What the operator charges; null: unknown.
    #[schema(required = true)]
    cost: Option<CostView>,
    /// What is left; null while it waits.
    #[schema(required = true)]
    margin: Option<MarginView>,
    /// What it waits for; null when it is rated.
    #[schema(required = true)]
    waits_for: Option<WaitsFor>,
}

/// What the price should have said on the message's day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CorrectedBy {
    correction_id: Uuid,
    /// Instead of the price's own; six decimals.
    #[schema(example = "0.011500", pattern = r"^\d+\.\d{6}$")]
    unit_price: String,
    /// Why.
    reason: String,
}

impl CorrectedBy {
    fn of(correction: &Correction) -> Self {
        Self {
            correction_id: correction.id.0,
            unit_price: correction.unit_price.to_string(),
            reason: correction.reason.clone(),
        }
    }
}

/// A message as it was reported. What a report left out is null while it waits, and the profile's once it is rated.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventFacts {
    /// Whose.
    account_id: Uuid,
    /// The account's tenant.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    /// The tier.
    #[schema(required = true, example = "GROWTH")]
    account_tier: Option<String>,
    /// The operator that carried it.
    #[schema(example = "41220")]
    operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    direction: &'static str,
    /// ISO 4217.
    #[schema(required = true, example = "USD")]
    currency: Option<String>,
    /// When it became chargeable.
    #[schema(format = DateTime)]
    charged_at: String,
    /// 1 to 10.
    segment_count: u8,
    /// How it ended.
    #[schema(example = "DELIVERED")]
    dlr_status: &'static str,
}

/// What a message waits for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WaitsFor {
    /// `NO_PRICE` or `UNKNOWN_ACCOUNT`.
    #[schema(example = "NO_PRICE")]
    reason: &'static str,
    /// When the stream took it.
    #[schema(format = DateTime)]
    since: String,
    /// What is missing, for people.
    detail: String,
    /// The key that no price stands for, its tier and currency completed by the account's profile; null when the
    /// account is not known.
    #[schema(required = true)]
    missing_key: Option<MissingKey>,
}

/// What a price would have to be for: this account or tier, this operator or `*`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MissingKey {
    /// The account.
    #[schema(required = true)]
    account_id: Option<Uuid>,
    /// Its tier on that day.
    #[schema(example = "GROWTH")]
    account_tier: String,
    /// The operator.
    #[schema(example = "41220")]
    operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    direction: &'static str,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// The UTC day.
    #[schema(format = Date)]
    day: String,
}

/// A message that is recorded or waits. What was quarantined is not usage, and not found.
pub(crate) async fn explain<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let message = query.required("messageId", uuid).map(MessageId);
    let message = query.finish(message)?;
    let found = call.services.run(async move |store: S| store.find_usage(message).await).await?;
    let (account, explanation) = match found.ok_or(Kind::NotFound)? {
        UsageFound::Rated(found) => {
            let price = found.price.id;
            let made = async move |store: S| store.corrections(Some(price), None, CORRECTIONS_MAX).await;
            let corrections = call.services.run(made).await?.rows;
            let correction = in_force(&corrections, Day::of(found.event.charged_at));
            (found.event.account, Explanation::of_rated(&found, correction))
        }
        UsageFound::Waiting(found) => (found.usage.account, Ok(Explanation::of_waiting(&found))),
    };
    let explanation = explanation.map_err(|error| Problem::caused(Kind::Internal, error))?;
    call.note_read(Some(account), "message").await?;
    answer::ok(&explanation)
}

impl Explanation {
    fn of_rated(found: &RatedFound, correction: Option<&Correction>) -> Result<Self, MoneyError> {
        let RatedFound { event, price, amount, cost, prices } = found;
        let enquiry = PriceEnquiry::of(event);
        let today = resolve(prices, &enquiry);
        let drift = Drift::between(price, &enquiry, &today);
        let rule = enquiry.rule_of(&price.terms);
        let arithmetic = Arithmetic::of(&price.terms, event.segments, event.dlr_status)?;
        Ok(Self {
            message_id: event.message.0,
            state: "RATED",
            event: EventFacts::of_event(event),
            day: enquiry.day.to_string(),
            candidates: candidates(&today),
            rule: rule.map(Rule::name),
            reason: match (&drift, rule) {
                (Some(_), Some(rule)) => format!("{rule}: first hit when it was rated"),
                _ => today.reason(),
            },
            price: Some(PriceInForce::of(price)),
            changed_since: drift.map(|drift| drift.to_string()),
            corrected_by: correction.map(CorrectedBy::of),
            arithmetic: Some(ArithmeticView::of(&arithmetic, price)),
            cost: cost.as_ref().map(CostView::of),
            margin: Some(MarginView::of(*amount, event.currency, cost.as_ref())),
            waits_for: None,
        })
    }

    fn of_waiting(found: &WaitingFound) -> Self {
        let WaitingFound { usage, enquiry, prices, .. } = found;
        let resolution = enquiry.as_ref().map(|enquiry| resolve(prices, enquiry));
        let waits_for = WaitsFor::of(found, resolution.as_ref());
        Self {
            message_id: usage.message.0,
            state: "UNRATED",
            event: EventFacts::of_reported(usage),
            day: Day::of(usage.charged_at).to_string(),
            candidates: resolution.as_ref().map(candidates).unwrap_or_default(),
            rule: None,
            reason: resolution.map_or_else(|| "the account is not known".to_owned(), |found| found.reason()),
            price: None,
            changed_since: None,
            corrected_by: None,
            arithmetic: None,
            cost: None,
            margin: None,
            waits_for: Some(waits_for),
        }
    }
}

impl EventFacts {
    fn of_event(event: &UsageEvent) -> Self {
        let (tenant, tier, currency) = (Some(event.tenant.0), Some(event.tier.to_string()), event.currency.to_string());
        Self {
            account_id: event.account.0,
            tenant_id: tenant,
            account_tier: tier,
            operator_id: event.operator.to_string(),
            direction: event.direction.name(),
            currency: Some(currency),
            charged_at: event.charged_at.to_string(),
            segment_count: event.segments.get(),
            dlr_status: event.dlr_status.name(),
        }
    }

    fn of_reported(usage: &ReportedUsage) -> Self {
        Self {
            account_id: usage.account.0,
            tenant_id: usage.tenant.map(|tenant| tenant.0),
            account_tier: usage.tier.as_ref().map(ToString::to_string),
            operator_id: usage.operator.to_string(),
            direction: usage.direction.name(),
            currency: usage.currency.map(|currency| currency.to_string()),
            charged_at: usage.charged_at.to_string(),
            segment_count: usage.segments.get(),
            dlr_status: usage.dlr_status.name(),
        }
    }
}

impl WaitsFor {
    fn of(found: &WaitingFound, resolution: Option<&Resolution<'_>>) -> Self {
        let detail = match (&found.enquiry, resolution.and_then(|resolution| resolution.winner)) {
            (_, Some(_)) => "a price covers it by now: it will be rated within seconds".to_owned(),
            (Some(PriceEnquiry { tier, operator, direction, currency, day, .. }), None) => format!(
                "no price on {day} of the account or of tier {tier}, for operator {operator} or *, {}, in {currency}",
                direction.name()
            ),
            (None, _) => "the account's profile, which would add what the report leaves out".to_owned(),
        };
        Self {
            reason: reason_name(found.reason),
            since: found.since.to_string(),
            detail,
            missing_key: found.enquiry.as_ref().map(MissingKey::of),
        }
    }
}

impl MissingKey {
    fn of(enquiry: &PriceEnquiry) -> Self {
        Self {
            account_id: enquiry.account.map(|account| account.0),
            account_tier: enquiry.tier.to_string(),
            operator_id: enquiry.operator.to_string(),
            direction: enquiry.direction.name(),
            currency: enquiry.currency.to_string(),
            day: enquiry.day.to_string(),
        }
    }
}

/// The name on the wire.
pub(super) fn reason_name(reason: UnratedReason) -> &'static str {
    match reason {
        UnratedReason::NoPrice => "NO_PRICE",
        UnratedReason::UnknownAccount => "UNKNOWN_ACCOUNT",
    }
}

/// `GET /v1/admin/pricing/explain`.
pub(crate) fn explaining() -> Operation {
    Operation::new("explainPrice", TAG, "Why a message costs what it costs")
        .says(
            "The four keys that are asked in order, the price that stood for each, the one that won, the arithmetic, the \
             operator's cost and the margin. A message that waits unrated says what it waits for. One that was quarantined, \
             or is older than what is kept, is not found. Every such read is noted in the audit log.",
        )
        .required_parameter("messageId", document::uuid(), "The message.")
        .answers(200, "The explanation.", &example())
        .refuses(&[Kind::Malformed, Kind::NotFound, Kind::Invalid])
}

fn example() -> Explanation {
    Explanation {
        message_id: Uuid::from_u128(0x0192_8c3e_5a7b_7c1d_9e2f_3a4b_5c6d_7e8f),
        state: "RATED",
        event: EventFacts {
            account_id: Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_0001),
            tenant_id: Some(Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_00aa)),
            account_tier: Some("GROWTH".into()),
            operator_id: "41220".into(),
            direction: "MT",
            currency: Some("USD".into()),
            charged_at: "2026-10-05T08:00:00Z".into(),
            segment_count: 3,
            dlr_status: "DELIVERED",
        },
        day: "2026-10-05".into(),
        candidates: example::candidates(),
        rule: Some("ACCOUNT_ANY"),
        reason: "account + *: first hit, nothing more specific has a price on that day".into(),
        price: Some(example::price()),
        changed_since: None,
        corrected_by: None,
        arithmetic: Some(example::arithmetic()),
        cost: Some(example::cost()),
        margin: Some(example::margin()),
        waits_for: None,
    }
}
