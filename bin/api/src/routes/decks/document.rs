//! What the API's document says of decks.

use uuid::Uuid;

use super::view::{ClosedVersion, DeckChange, DeckCounts, DeckView, MarginView, RefusedView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, day, flag, operator_id, text, text_of, uuid};

const PRICES: &str = "accountTier,operatorId,direction,pricingModel,unitPrice,currency,effectiveFrom,effectiveTo\r\n\
    STARTER,*,MT,PER_SEGMENT,0.0125,USD,2026-12-01,\r\n\
    STARTER,41220,MT,PER_SEGMENT,0.0095,USD,2026-12-01,2027-05-31\r\n";
const COSTS: &str = "operatorId,direction,costPerSegment,currency,effectiveFrom\r\n41220,MT,0.0085,USD,2026-12-01\r\n";

/// `POST /v1/admin/pricing/import`.
pub(crate) fn importing_prices() -> Operation {
    import("importPrices", "Pricing", "Import a price deck", PRICES).says(
        "A CSV file in UTF-8 of at most 20 MiB and 100,000 lines. The header names its columns, in any order; effectiveTo, \
         accountId and chargeOn may be left out. Each line supersedes the version of its key that is in force on \
         effectiveFrom, as PATCH does, or adds a price; a line that says what stands changes nothing. One refused line \
         and nothing is applied. Without `dryRun=false` nothing is changed, only shown.",
    )
}

/// `POST /v1/admin/operator-costs/import`.
pub(crate) fn importing_costs() -> Operation {
    import("importOperatorCosts", "Operator costs", "Import a deck of operator costs", COSTS).says(
        "As a deck of prices. The margins are those of the prices in force on effectiveFrom. Without `dryRun=false` \
         nothing is changed, only shown.",
    )
}

/// `GET /v1/admin/pricing/export`.
pub(crate) fn exporting_prices() -> Operation {
    Operation::new("exportPrices", "Pricing", "Export prices as a deck")
        .says(
            "Imported again it changes nothing. Prices whose model or monthly terms a deck cannot show are left out; the \
             header X-Left-Out counts them. A text that a spreadsheet would take for a formula begins with an apostrophe, \
             which an import takes away.",
        )
        .parameter("activeOn", day(), "In force on this day only; absent: every version, cancelled ones left out.")
        .parameter("accountTier", text("GROWTH"), "Of this tier.")
        .parameter("operatorId", text("41220"), "For this operator; `*`: prices for any operator.")
        .parameter("accountId", uuid(), "Of this account.")
        .answers_csv("A deck.", PRICES)
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `GET /v1/admin/operator-costs/export`.
pub(crate) fn exporting_costs() -> Operation {
    Operation::new("exportOperatorCosts", "Operator costs", "Export operator costs as a deck")
        .says("Imported again it changes nothing.")
        .parameter("activeOn", day(), "In force on this day only; absent: every version, cancelled ones left out.")
        .parameter("operatorId", operator_id(), "Of this operator.")
        .parameter("direction", text_of(&["MT", "MO"], "MT"), "In this direction.")
        .parameter("currency", text("USD"), "In this currency.")
        .answers_csv("A deck.", COSTS)
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

fn import(id: &str, tag: &str, summary: &str, example: &str) -> Operation {
    Operation::new(id, tag, summary)
        .parameter("dryRun", flag(), "`true` (default): show what would be done. `false`: do it, all or nothing.")
        .idempotent()
        .body_csv(example)
        .answers(200, "What the deck does, or did.", &report())
        .refuses(&[Kind::Invalid, Kind::KeyReused, Kind::KeyInUse])
}

fn report() -> DeckView {
    let old = Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001);
    DeckView {
        dry_run: true,
        applied: false,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        counts: DeckCounts {
            lines: 2,
            added: 0,
            changed: 1,
            closed: 1,
            unchanged: 0,
            refused: 1,
            margins: 1,
            losses: 1,
            unknown_margins: 0,
        },
        added: Vec::new(),
        changed: vec![DeckChange {
            line: 2,
            id: None,
            account_tier: Some("STARTER".into()),
            account_id: None,
            operator_id: "41220".into(),
            direction: "MT".into(),
            currency: "USD".into(),
            pricing_model: Some("PER_SEGMENT".into()),
            unit_price: Some("0.008000".into()),
            old_unit_price: Some("0.012500".into()),
            cost_per_segment: None,
            old_cost_per_segment: None,
            effective_from: "2026-12-01".into(),
            effective_to: None,
            version: 2,
        }],
        closed: vec![ClosedVersion { line: 2, id: old, effective_to: Some("2026-11-30".into()) }],
        refused: vec![RefusedView {
            line: 3,
            field: Some("unitPrice".into()),
            reason: "an amount has at most six decimals".into(),
        }],
        margins: vec![MarginView {
            line: 2,
            account_tier: Some("STARTER".into()),
            account_id: None,
            operator_id: "41220".into(),
            direction: "MT".into(),
            currency: "USD".into(),
            day: "2026-12-01".into(),
            unit_price: "0.008000".into(),
            cost_per_segment: Some("0.008500".into()),
            margin: Some("-0.000500".into()),
            loss: true,
        }],
    }
}
