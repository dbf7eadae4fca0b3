//! What one message costs: a price, an operator's cost, an event, its two amounts and the margin.
//!
//! `cargo run -p billing-domain --example rate_an_event`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use billing_domain::pricing::{
    ChargeOn, CostKey, MonthlyTerms, OperatorMatch, PriceTerms, PricingModel, Rating, check_unit_amount,
};
use billing_domain::usage::{Direction, DlrStatus, SegmentCount, UsageEvent};
use billing_domain::{
    AccountId, CostId, Currency, Day, DayRange, MessageId, Micros, OperatorCost, OperatorId, Price, PriceBook, PriceId,
    TenantId, Tier,
};

fn main() -> Result<(), Box<dyn Error>> {
    let since_new_year = DayRange::inclusive(Day::parse("2026-01-01")?, None)?;
    let (usd, operator) = (Currency::new("USD")?, OperatorId::new("41220")?);
    let account = AccountId("0199a000-0000-7000-8000-000000000003".parse()?);

    // What the GROWTH tier pays a segment, whoever carries it.
    let of_tier = Price {
        id: PriceId("0199a000-0000-7000-8000-000000000001".parse()?),
        terms: PriceTerms {
            tier: Tier::new("GROWTH")?,
            account: None,
            operator: OperatorMatch::Any,
            direction: Direction::Mt,
            model: PricingModel::PerSegment,
            charge_on: ChargeOn::AnyTerminal,
            unit_price: check_unit_amount(Micros::parse("0.0125")?)?,
            monthly: MonthlyTerms::default(),
            currency: usd,
            days: since_new_year,
        },
        version: 1,
        created_by: "finance".into(),
        created_at: "2025-12-01T09:00:00Z".parse()?,
        cancelled_at: None,
    };
    // One account has negotiated: an account's own price beats its tier's.
    let mut negotiated = of_tier.clone();
    negotiated.id = PriceId("0199a000-0000-7000-8000-000000000002".parse()?);
    negotiated.terms.account = Some(account);
    negotiated.terms.unit_price = Micros::parse("0.011")?;
    // What the operator charges us.
    let cost = OperatorCost {
        id: CostId("0199a000-0000-7000-8000-000000000004".parse()?),
        key: CostKey { operator: operator.clone(), direction: Direction::Mt, currency: usd },
        cost_per_segment: Micros::parse("0.008")?,
        days: since_new_year,
        version: 1,
        created_by: "finance".into(),
        created_at: "2025-12-01T09:00:00Z".parse()?,
        cancelled_at: None,
    };
    let book = PriceBook::build(1, vec![(&of_tier).into(), (&negotiated).into()], vec![(&cost).into()])?;

    let event = UsageEvent {
        message: MessageId("0199a000-0000-7000-8000-000000000005".parse()?),
        tenant: TenantId("0199a000-0000-7000-8000-000000000006".parse()?),
        account,
        tier: Tier::new("GROWTH")?,
        operator,
        direction: Direction::Mt,
        segments: SegmentCount::new(3)?,
        currency: usd,
        charged_at: "2026-10-31T23:59:59Z".parse()?,
        dlr_status: DlrStatus::Delivered,
    };
    let Rating::Rated(rated) = book.rate(&event)? else { return Err("no price was in force".into()) };
    let margin = rated.margin(event.currency).ok_or("the cost is in another currency")?;
    println!("price {}: {} segments come to {} {usd}", rated.price, rated.units, rated.amount);
    println!("margin {} {usd}", Micros(margin));

    assert_eq!((rated.price, rated.amount), (negotiated.id, Micros::parse("0.033")?));
    assert_eq!(Micros(margin).to_string(), "0.009000");
    Ok(())
}
