//! What the API's document says of corrections.

use uuid::Uuid;

use super::body::CorrectionDraft;
use super::view::{CorrectionList, CorrectionView, DeltaView, EffectView};
use crate::http::problem::Kind;
use crate::routes::document::{Operation, flag, uuid};

const TAG: &str = "Pricing";

/// `GET /v1/admin/pricing/corrections`.
pub(crate) fn listing() -> Operation {
    Operation::new("listCorrections", TAG, "Corrections of prices, by id")
        .parameter("pricingTableId", uuid(), "Of this version of a price.")
        .paged()
        .answers(200, "A page of corrections.", &CorrectionList { data: vec![example()], next_cursor: None })
        .refuses(&[Kind::Malformed, Kind::Invalid])
}

/// `POST /v1/admin/pricing/corrections`.
pub(crate) fn creating() -> Operation {
    let draft = CorrectionDraft {
        pricing_table_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001),
        effective_from: "2026-09-01".into(),
        effective_to: "2026-09-30".into(),
        unit_price: "0.0115".into(),
        reason: "The price of the contract is 0.0115".into(),
        ..CorrectionDraft::default()
    };
    let effect = EffectView {
        dry_run: false,
        correction: example(),
        currency: Some("USD".into()),
        changes: 1,
        total_delta: Some("-10.00".into()),
        deltas: vec![DeltaView {
            account_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_00a1),
            month: "2026-09".into(),
            units: 10_000,
            before: "125.00".into(),
            after: "115.00".into(),
            delta: "-10.00".into(),
        }],
    };
    Operation::new("correctPrice", TAG, "Correct a price that has rated usage")
        .says(
            "Rated messages and issued invoices stay as they are: the difference is a line of its own on the next invoice \
             of each account. The days of a correction are rated as if another version of the price had held then. Of two \
             corrections of one day the later holds. With `dryRun=true` nothing is written, and the answer is what would \
             change.",
        )
        .parameter("dryRun", flag(), "Say what would change, and write nothing. Default: false.")
        .idempotent()
        .body(&draft)
        .answers(200, "What it would change (`dryRun=true`).", &effect)
        .creates("The correction and what it changes.", &effect)
        .refuses(&[Kind::Invalid, Kind::KeyReused, Kind::KeyInUse])
}

fn example() -> CorrectionView {
    CorrectionView {
        correction_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_00c1),
        pricing_table_id: Uuid::from_u128(0x0192_8c3e_0000_7000_8000_0000_0000_0001),
        effective_from: "2026-09-01".into(),
        effective_to: "2026-09-30".into(),
        unit_price: "0.011500".into(),
        tiers: None,
        package: None,
        reason: "The price of the contract is 0.0115".into(),
        created_by: "finance@ghasi.example".into(),
        created_at: "2026-10-03T09:30:00Z".into(),
    }
}
