//! From sealed buckets to lines: one for each usage month, operator, direction and price, rounded once.

use std::collections::BTreeMap;

use crate::usage::{BucketKey, BucketSums, Direction};
use crate::{Currency, MicrosSum, MinorAmount, MoneyError, Month, OperatorId, PriceId};

/// One line: an exact amount, and the same rounded to what can be paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceLine {
    /// The month of the usage: the invoice's own, or an earlier one whose usage came late.
    pub usage_month: Month,
    /// Who carried the messages.
    pub operator: OperatorId,
    /// To or from the mobile.
    pub direction: Direction,
    /// What priced them.
    pub price: PriceId,
    /// Messages.
    pub messages: u64,
    /// Their segments.
    pub segments: u64,
    /// The sum of its events' amounts.
    pub exact: MicrosSum,
    /// The same, rounded once.
    pub amount: MinorAmount,
}

/// Makes an invoice's lines from exactly the buckets that it sealed, in the order in which they are printed.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn compose(sealed: &[(BucketKey, BucketSums)], currency: Currency) -> Result<Vec<InvoiceLine>, MoneyError> {
    let mut groups: BTreeMap<(Month, OperatorId, Direction, PriceId), BucketSums> = BTreeMap::new();
    for (key, sums) in sealed {
        let group = (key.day.month(), key.operator.clone(), key.direction, key.price);
        groups.entry(group).or_default().merge(sums)?;
    }
    groups
        .into_iter()
        .map(|((usage_month, operator, direction, price), sums)| {
            Ok(InvoiceLine {
                usage_month,
                operator,
                direction,
                price,
                messages: sums.messages,
                segments: sums.segments,
                exact: sums.amount,
                amount: sums.amount.round_to_minor(currency)?,
            })
        })
        .collect()
}

/// The sum of the rounded lines: what an invoice shows must add up to what it asks for.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn subtotal(lines: &[InvoiceLine], currency: Currency) -> Result<MinorAmount, MoneyError> {
    lines.iter().try_fold(MinorAmount::zero(currency), |sum, line| sum.plus(line.amount))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{AccountId, Day, TenantId};

    fn bucket(day: &str, operator: &str, price: u128, amount: i128) -> (BucketKey, BucketSums) {
        let key = BucketKey {
            account: AccountId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            operator: OperatorId::new(operator).unwrap(),
            direction: Direction::Mt,
            currency: Currency::new("USD").unwrap(),
            price: PriceId(Uuid::from_u128(price)),
            day: Day::parse(day).unwrap(),
        };
        (key, BucketSums { messages: 1, segments: 2, amount: MicrosSum(amount), ..BucketSums::default() })
    }

    #[test]
    fn a_line_for_each_month_operator_and_price_rounded_once() {
        let usd = Currency::new("USD").unwrap();
        let sealed = [
            bucket("2026-10-02", "op-20", 1, 4_000),
            bucket("2026-10-01", "op-20", 1, 4_000),
            bucket("2026-10-02", "op-20", 2, 4_000),
            bucket("2026-10-02", "op-01", 1, 15_000),
            bucket("2026-09-30", "op-20", 1, 5_000),
        ];
        let lines = compose(&sealed, usd).unwrap();
        let shown: Vec<_> =
            lines.iter().map(|l| format!("{} {} {} {}", l.usage_month, l.operator, l.messages, l.amount)).collect();
        assert_eq!(
            shown,
            ["2026-09 op-20 1 0.01", "2026-10 op-01 1 0.02", "2026-10 op-20 2 0.01", "2026-10 op-20 1 0.00"]
        );
        assert_eq!(subtotal(&lines, usd).unwrap().to_string(), "0.04");
    }

    proptest! {
        #[test]
        fn exact_amounts_are_neither_lost_nor_made(amounts in prop::collection::vec((1_u8..28, 0_i128..1_000_000_000), 0..60)) {
            let usd = Currency::new("USD").unwrap();
            let sealed: Vec<_> = amounts.iter().map(|(day, amount)| bucket(&format!("2026-10-{day:02}"), "op", u128::from(day % 3), *amount)).collect();
            let lines = compose(&sealed, usd).unwrap();
            let exact: i128 = lines.iter().map(|line| line.exact.0).sum();
            prop_assert_eq!(exact, amounts.iter().map(|(_, amount)| amount).sum::<i128>());
            let rounded: i64 = lines.iter().map(|line| line.amount.minor).sum();
            prop_assert_eq!(subtotal(&lines, usd).unwrap().minor, rounded);
        }
    }
}
