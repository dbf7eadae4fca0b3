//! What usage earns: sums that leave nothing out, in an order that does not lose a group between two pages.

use billing_domain::ports::{Accounts, MarginPage, PriceAdmin, PriceBookStore, UsageLedger, UsageReader};
use billing_domain::usage::{MarginGrouping, MarginPlace, MarginQuestion, MarginRow, MarginSums};
use billing_domain::{AccountId, Currency, DayRange};
use uuid::Uuid;

use crate::builders::{cost, event, price};

use super::stage::{Stage, at, day};

const GROUPINGS: [MarginGrouping; 4] =
    [MarginGrouping::Operator, MarginGrouping::Account, MarginGrouping::Tier, MarginGrouping::Day];

fn question(grouping: MarginGrouping) -> MarginQuestion {
    let days = DayRange::inclusive(day("2026-10-01"), Some(day("2026-10-31"))).expect("a period");
    MarginQuestion { days, grouping, currency: None }
}

/// Key, currency, messages costed, uncosted and in another currency, and the margin in micros.
type Shown = (String, String, [u64; 3], Option<i128>);

fn shown(row: &MarginRow) -> Shown {
    let MarginSums { costed, uncosted, foreign, .. } = row.sums;
    let messages = [costed.messages, uncosted.messages, foreign.messages];
    (row.key.to_string(), row.currency.to_string(), messages, row.sums.margin().map(|margin| margin.0))
}

/// Three operators: one at a loss, one that earns, one without a cost; an account with a price of its own; a price in AFN
/// where the cost is in USD.
async fn fill<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let other = AccountId(Uuid::from_u128(0xacc0_0002));
    stage.add_price(price("0.01")).await;
    stage.add_price(price("0.03").tier("GROWTH")).await;
    stage.add_price(price("0.02").tier("CUSTOM").account(other)).await;
    stage.add_price(price("1").currency("AFN")).await;
    stage.add_cost(cost("0.012").operator("op-20")).await;
    stage.add_cost(cost("0.004").operator("op-21")).await;
    let late = "2026-10-06T00:00:00Z";
    let batch = [
        event().segments(3),
        event().segments(2).at(late),
        event().operator("op-21").at(late),
        event().operator("op-21").tier("GROWTH"),
        event().operator("op-21").account(other).segments(5),
        event().operator("op-22").segments(4),
        event().operator("op-21").currency("AFN"),
        // Of other months.
        event().at("2026-09-30T23:59:59.999999Z"),
        event().at("2026-11-01T00:00:00Z"),
    ];
    let batch: Vec<_> = (1..).zip(batch).map(|(sequence, event)| (at(sequence), event)).collect();
    assert_eq!(stage.record(&batch).await.rated, 9, "all of it is rated");
}

pub(super) async fn losses_come_first_and_what_has_no_cost_is_named<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    fill(stage).await;
    let (first, second) = (event().build().account.to_string(), AccountId(Uuid::from_u128(0xacc0_0002)).to_string());
    let row = |key: &str, currency: &str, messages, margin| (key.to_owned(), currency.to_owned(), messages, margin);
    for (grouping, expected) in [
        (
            MarginGrouping::Operator,
            vec![
                row("op-20", "USD", [2, 0, 0], Some(-10_000)),
                row("op-21", "USD", [3, 0, 0], Some(6_000 + 26_000 + 80_000)),
                row("op-21", "AFN", [0, 0, 1], None),
                row("op-22", "USD", [0, 1, 0], None),
            ],
        ),
        (
            MarginGrouping::Account,
            vec![
                row(&first, "USD", [4, 1, 0], Some(22_000)),
                row(&second, "USD", [1, 0, 0], Some(80_000)),
                row(&first, "AFN", [0, 0, 1], None),
            ],
        ),
        (
            MarginGrouping::Tier,
            vec![
                row("STARTER", "USD", [3, 1, 0], Some(-4_000)),
                row("GROWTH", "USD", [1, 0, 0], Some(26_000)),
                row("CUSTOM", "USD", [1, 0, 0], Some(80_000)),
                row("STARTER", "AFN", [0, 0, 1], None),
            ],
        ),
        (
            MarginGrouping::Day,
            vec![
                row("2026-10-06", "USD", [2, 0, 0], Some(2_000)),
                row("2026-10-05", "USD", [3, 1, 0], Some(100_000)),
                row("2026-10-05", "AFN", [0, 0, 1], None),
            ],
        ),
    ] {
        let page = read(stage, &question(grouping), None, 100).await;
        let found: Vec<Shown> = page.rows.iter().map(shown).collect();
        assert_eq!(found, expected, "losses come first and what has no cost is named, by {grouping:?}");
    }
    let usd = MarginQuestion { currency: Currency::new("USD").ok(), ..question(MarginGrouping::Operator) };
    let page = read(stage, &usd, None, 100).await;
    assert_eq!((page.rows.len(), page.totals.len()), (3, 1), "another currency is left out");
}

pub(super) async fn sums_are_those_of_usage_on_every_page<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    fill(stage).await;
    for grouping in GROUPINGS {
        let question = question(grouping);
        let whole = read(stage, &question, None, 100).await;
        let usd = whole.totals.iter().find(|total| total.currency.code() == "USD").expect("a total in USD").sums;
        let all = usd.whole().expect("it fits");
        assert_eq!(
            (all.messages, all.segments, all.revenue.0),
            (6, 16, 230_000),
            "nothing is left out, by {grouping:?}"
        );
        assert_eq!((usd.cost.0, usd.uncosted.messages), (88_000, 1), "the cost is that of what has one");
        for limit in [1, 2, 3] {
            let (mut after, mut rows) = (None, Vec::new());
            loop {
                let page = read(stage, &question, after.as_ref(), limit).await;
                assert_eq!(page.totals, whole.totals, "totals are those of all pages");
                rows.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(rows, whole.rows, "pages of {limit} hold each group once, by {grouping:?}");
        }
    }
}

async fn read<S>(stage: &Stage<S>, question: &MarginQuestion, after: Option<&MarginPlace>, limit: u32) -> MarginPage
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.staff().margins(question, after, limit).await.expect("margins are read")
}
