//! The prices and costs of the demo, and which price an event should get: a second opinion, written from the rules and
//! not from the service's code. Amounts are millionths.

use serde_json::{Value, json};
use uuid::Uuid;

use super::cast::{Account, NEGOTIATED};
use super::event::Event;
use super::period::Period;

/// Any operator.
const ANY: &str = "*";
/// The day from which the new GROWTH price holds.
const NEW_PRICE_DAY: u8 = 16;

/// One price of the deck.
pub(crate) struct Price {
    tier: &'static str,
    account: Option<Uuid>,
    operator: &'static str,
    direction: &'static str,
    flat: bool,
    only_delivered: bool,
    micros: i128,
    currency: &'static str,
    /// First and last day of the month, inclusive.
    days: (u8, Option<u8>),
    /// Forgotten at first.
    pub(crate) is_missing: bool,
}

impl Price {
    const fn new(tier: &'static str, operator: &'static str, currency: &'static str, micros: i128) -> Self {
        Self {
            tier,
            account: None,
            operator,
            direction: "MT",
            flat: false,
            only_delivered: false,
            micros,
            currency,
            days: (1, None),
            is_missing: false,
        }
    }

    /// What an event costs by it.
    pub(crate) fn rate(&self, event: &Event) -> i128 {
        match (self.only_delivered && event.status != "DELIVERED", self.flat) {
            (true, _) => 0,
            (false, true) => self.micros,
            (false, false) => self.micros * i128::from(event.segments),
        }
    }

    /// The body that makes it.
    pub(crate) fn body(&self, period: Period) -> Value {
        let mut body = json!({
            "operatorId": self.operator,
            "direction": self.direction,
            "pricingModel": if self.flat { "FLAT_PER_MESSAGE" } else { "PER_SEGMENT" },
            "chargeOn": if self.only_delivered { "DELIVERED" } else { "ANY_TERMINAL" },
            "unitPrice": decimal(self.micros),
            "currency": self.currency,
            "effectiveFrom": period.day(self.days.0),
        });
        match self.account {
            Some(account) => body["accountId"] = json!(account),
            None => body["accountTier"] = json!(self.tier),
        }
        if let Some(last) = self.days.1 {
            body["effectiveTo"] = json!(period.day(last));
        }
        body
    }

    /// Such as `ENTERPRISE, MT over 41280: 0.007950 USD a segment`.
    pub(crate) fn in_words(&self) -> String {
        let per = if self.flat { "message" } else { "segment" };
        let Self { tier, direction, operator, currency, .. } = self;
        format!("{tier}, {direction} over {operator}: {} {currency} a {per}", decimal(self.micros))
    }

    fn fits(&self, event: &Event, account: &Account, own: bool, exact: bool) -> bool {
        let scope =
            if own { self.account == Some(account.id) } else { self.account.is_none() && self.tier == account.tier };
        let operator = if exact { self.operator == event.operator } else { self.operator == ANY };
        let day = Period::day_of(event.at);
        let in_force = self.days.0 <= day && self.days.1.is_none_or(|last| day <= last);
        scope && operator && in_force && self.direction == event.direction && self.currency == event.currency
    }
}

/// Every price that the month needs.
pub(crate) fn prices(accounts: &[Account]) -> Vec<Price> {
    let negotiated = accounts.get(NEGOTIATED).map(|account| account.id);
    let own = |operator, micros| Price { account: negotiated, ..Price::new("CUSTOM", operator, "USD", micros) };
    let mo = |tier, micros, currency| Price { direction: "MO", ..Price::new(tier, ANY, currency, micros) };
    let flat = |price| Price { flat: true, ..price };
    vec![
        Price::new("STARTER", ANY, "USD", 12_500),
        Price::new("STARTER", "41220", "USD", 13_125),
        Price::new("STARTER", ANY, "AFN", 887_500),
        Price { days: (1, Some(NEW_PRICE_DAY - 1)), ..Price::new("GROWTH", "41201", "USD", 10_875) },
        Price { days: (NEW_PRICE_DAY, None), ..Price::new("GROWTH", "41201", "USD", 10_350) },
        Price::new("GROWTH", "41220", "USD", 11_240),
        Price::new("GROWTH", ANY, "USD", 11_505),
        Price { only_delivered: true, ..Price::new("GROWTH", ANY, "AFN", 812_345) },
        Price::new("ENTERPRISE", "41201", "USD", 8_125),
        Price::new("ENTERPRISE", "41220", "USD", 8_433),
        Price::new("ENTERPRISE", "41240", "USD", 7_901),
        Price::new("ENTERPRISE", "41250", "USD", 8_277),
        Price { is_missing: true, ..Price::new("ENTERPRISE", "41280", "USD", 7_950) },
        flat(Price::new("CUSTOM", ANY, "USD", 15_003)),
        own(ANY, 7_117),
        own("41220", 6_949),
        flat(mo("STARTER", 4_000, "USD")),
        flat(mo("STARTER", 280_000, "AFN")),
        mo("GROWTH", 3_250, "USD"),
        mo("GROWTH", 231_250, "AFN"),
        mo("ENTERPRISE", 2_505, "USD"),
        mo("CUSTOM", 3_000, "USD"),
    ]
}

/// What the operators charge us, as bodies.
pub(crate) fn costs(period: Period) -> Vec<Value> {
    let cost = |operator: &str, direction: &str, currency: &str, micros| {
        json!({ "operatorId": operator, "direction": direction, "costPerSegment": decimal(micros),
            "currency": currency, "effectiveFrom": period.day(1) })
    };
    let mobile = [("41201", 5_200), ("41220", 5_900), ("41240", 5_100), ("41250", 5_450), ("41280", 5_000)];
    let usd = mobile.into_iter().map(|(operator, micros)| cost(operator, "MT", "USD", micros));
    let afn = mobile.into_iter().map(|(operator, micros)| cost(operator, "MT", "AFN", micros * 71));
    let mo = mobile.into_iter().map(|(operator, _)| cost(operator, "MO", "USD", 1_100));
    let mo_afn = mobile.into_iter().map(|(operator, _)| cost(operator, "MO", "AFN", 78_100));
    usd.chain(afn).chain(mo).chain(mo_afn).collect()
}

/// The price that an event should get: the account's own before its tier's, a named operator before any.
pub(crate) fn find(prices: &[Price], event: &Event, account: &Account) -> Option<usize> {
    [(true, true), (true, false), (false, true), (false, false)]
        .into_iter()
        .find_map(|(own, exact)| prices.iter().position(|price| price.fits(event, account, own, exact)))
}

/// Six decimals.
pub(crate) fn decimal(micros: i128) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
