//! What a deck does, as JSON.

use billing_domain::Micros;
use billing_domain::pricing::PriceScope;
use billing_domain::pricing::deck::{DeckReport, KeyMargin, NewVersion};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::sheet::{Refusals, SheetEntry};

/// So many entries of each list are shown; all are counted.
const LISTED_MAX: usize = 10_000;

/// What a line is about, of either sort.
pub(super) struct Shown {
    pub(super) account_tier: Option<String>,
    pub(super) account_id: Option<Uuid>,
    pub(super) operator_id: String,
    pub(super) direction: String,
    pub(super) currency: String,
    pub(super) pricing_model: Option<String>,
    pub(super) is_cost: bool,
}

/// What a deck does or did. Lists have at most 10,000 entries, refused fields 1,000; `counts` counts them all.
#[derive(Serialize, ToSchema)]
#[schema(as = DeckReport)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeckView {
    /// Whether it is shown only.
    pub(super) dry_run: bool,
    /// Whether it was done, now or by an earlier request with the same idempotency key.
    pub(super) applied: bool,
    /// SHA-256 of the file, as the audit log has it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(super) sha256: String,
    /// How many of each.
    pub(super) counts: DeckCounts,
    /// Lines of a key that has nothing in force on their first day.
    pub(super) added: Vec<DeckChange>,
    /// Lines that supersede the version in force on their first day.
    pub(super) changed: Vec<DeckChange>,
    /// The versions that these close.
    pub(super) closed: Vec<ClosedVersion>,
    /// Fields that cannot be; unless there is none nothing can be applied.
    pub(super) refused: Vec<RefusedView>,
    /// What is earned on each key on the line's first day: losses first, the greatest on top, then those without a cost.
    pub(super) margins: Vec<MarginView>,
}

/// How many of each.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeckCounts {
    /// Lines of the file, without header and empty lines.
    pub(super) lines: usize,
    /// Versions of keys that had none.
    pub(super) added: usize,
    /// Versions that supersede another.
    pub(super) changed: usize,
    /// Versions that end earlier, or are cancelled.
    pub(super) closed: usize,
    /// Lines that say what stands.
    pub(super) unchanged: usize,
    /// Refused fields.
    pub(super) refused: usize,
    /// Pairs of price and operator.
    pub(super) margins: usize,
    /// Of these, below zero.
    pub(super) losses: usize,
    /// Of these, without a cost in the price's currency.
    pub(super) unknown_margins: usize,
}

/// A version that a line makes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeckChange {
    /// Of the file; the header is line 1.
    pub(super) line: u32,
    /// The new version's; null in a dry run.
    #[schema(required = true)]
    pub(super) id: Option<Uuid>,
    /// Of a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_tier: Option<String>,
    /// Of an account's own price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_id: Option<Uuid>,
    /// One operator, or `*`.
    pub(super) operator_id: String,
    /// `MT` or `MO`.
    pub(super) direction: String,
    /// ISO 4217.
    pub(super) currency: String,
    /// Of a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pricing_model: Option<String>,
    /// Of a price; six decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit_price: Option<String>,
    /// Of the version that is superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) old_unit_price: Option<String>,
    /// Of an operator cost; six decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost_per_segment: Option<String>,
    /// Of the version that is superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) old_cost_per_segment: Option<String>,
    /// First day, inclusive, UTC.
    #[schema(format = Date)]
    pub(super) effective_from: String,
    /// Last day, inclusive, UTC; null: no end.
    #[schema(required = true, format = Date)]
    pub(super) effective_to: Option<String>,
    /// One more than the version that is superseded.
    pub(super) version: u32,
}

/// A version that a line closes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClosedVersion {
    /// The line that supersedes it.
    pub(super) line: u32,
    /// Its `pricingTableId` or `operatorCostId`.
    pub(super) id: Uuid,
    /// Its last day, inclusive, UTC; null: it would have begun no earlier than the line and is cancelled.
    #[schema(required = true, format = Date)]
    pub(super) effective_to: Option<String>,
}

/// A field that cannot be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefusedView {
    /// Of the file.
    pub(super) line: u32,
    /// The column; null: the line as a whole.
    #[schema(required = true)]
    pub(super) field: Option<String>,
    /// Why.
    pub(super) reason: String,
}

/// What is earned on a segment of one key with one operator, on the line's first day.
#[derive(Serialize, ToSchema)]
#[schema(as = DeckMargin)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarginView {
    /// Of the file.
    pub(super) line: u32,
    /// The tier whose price it is; null: an account's own.
    #[schema(required = true)]
    pub(super) account_tier: Option<String>,
    /// The account whose own price it is.
    #[schema(required = true)]
    pub(super) account_id: Option<Uuid>,
    /// With this operator; `*`: no operator has a cost.
    pub(super) operator_id: String,
    /// `MT` or `MO`.
    pub(super) direction: String,
    /// ISO 4217.
    pub(super) currency: String,
    /// The day.
    #[schema(format = Date)]
    pub(super) day: String,
    /// What the customer pays for a segment, or for a message of one.
    pub(super) unit_price: String,
    /// What the operator charges; null: no cost in this currency.
    #[schema(required = true)]
    pub(super) cost_per_segment: Option<String>,
    /// Price minus cost.
    #[schema(required = true)]
    pub(super) margin: Option<String>,
    /// Whether it is below zero.
    pub(super) loss: bool,
}

impl DeckView {
    /// Of a report; `refused` are all refused fields, those that could not be read included.
    pub(super) fn of<E: SheetEntry>(
        report: &DeckReport<E>,
        lines: usize,
        sha256: [u8; 32],
        dry_run: bool,
        refused: &Refusals,
    ) -> Self {
        let (plan, margins) = (&report.plan, &report.margins);
        let (changed, added): (Vec<_>, Vec<_>) = plan.made.iter().partition(|made| made.old.is_some());
        let show = |made: &[&NewVersion<E::Terms>]| {
            made.iter().take(LISTED_MAX).map(|made| change::<E>(made, dry_run)).collect()
        };
        let closed = changed.iter().filter_map(|made| Some((made.line, made.old?)));
        let closed = closed.take(LISTED_MAX).map(|(line, old)| ClosedVersion {
            line,
            id: old.id,
            effective_to: old.days.and_then(billing_domain::DayRange::last).map(|day| day.to_string()),
        });
        let refused_fields = refused.listed.iter().map(|refused| RefusedView {
            line: refused.line,
            field: (!refused.field.is_empty()).then(|| refused.field.to_owned()),
            reason: refused.reason.clone(),
        });
        Self {
            dry_run,
            applied: !dry_run,
            sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            counts: DeckCounts {
                lines,
                added: added.len(),
                changed: changed.len(),
                closed: changed.len(),
                unchanged: plan.unchanged.len(),
                refused: refused.count,
                margins: margins.count,
                losses: margins.losses,
                unknown_margins: margins.unknown,
            },
            added: show(&added),
            changed: show(&changed),
            closed: closed.collect(),
            refused: refused_fields.collect(),
            margins: margins.listed.iter().map(margin).collect(),
        }
    }
}

fn change<E: SheetEntry>(made: &NewVersion<E::Terms>, dry_run: bool) -> DeckChange {
    let Shown { account_tier, account_id, operator_id, direction, currency, pricing_model, is_cost } =
        E::show(&made.terms);
    let days = E::days(&made.terms);
    let new = Some(E::unit_amount(&made.terms).to_string());
    let old = made.old.map(|old| old.unit_amount.to_string());
    let (price, cost) = if is_cost { ((None, None), (new, old)) } else { ((new, old), (None, None)) };
    DeckChange {
        line: made.line,
        id: (!dry_run).then_some(made.id),
        account_tier,
        account_id,
        operator_id,
        direction,
        currency,
        pricing_model,
        unit_price: price.0,
        old_unit_price: price.1,
        cost_per_segment: cost.0,
        old_cost_per_segment: cost.1,
        effective_from: days.from().to_string(),
        effective_to: days.last().map(|day| day.to_string()),
        version: made.version,
    }
}

fn margin(row: &KeyMargin) -> MarginView {
    let (account_tier, account_id) = match &row.key.scope {
        PriceScope::Tier(tier) => (Some(tier.to_string()), None),
        PriceScope::Account(account) => (None, Some(account.0)),
    };
    let text = |amount: Option<Micros>| amount.map(|amount| amount.to_string());
    MarginView {
        line: row.line,
        account_tier,
        account_id,
        operator_id: row.key.operator.to_string(),
        direction: row.key.direction.name().into(),
        currency: row.key.currency.to_string(),
        day: row.day.to_string(),
        unit_price: row.unit_price.to_string(),
        cost_per_segment: text(row.cost),
        margin: text(row.margin()),
        loss: row.is_loss(),
    }
}
