//! What waits for a price, its account or a cost: taken up once, by whoever comes first.

use billing_domain::ports::{
    Accounts, Late, PriceAdmin, PriceBookStore, Recorded, RerateOutcome, UnratedGroup, UsageLedger, UsageReader,
};
use billing_domain::usage::{Granularity, Observation, QuarantineReason, RatedUsage};
use billing_domain::use_cases::{fill_missing_costs, rate_waiting};
use billing_domain::{Day, DayRange, PriceBook, TenantId};
use futures::future::join;
use uuid::Uuid;

use crate::builders::{cost, event, price};

use super::stage::{Stage, at};

pub(super) async fn what_waits_is_rated_once<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let waiting: Vec<_> = (1..=30).map(|sequence| (at(sequence), event())).collect();
    let unrated = Recorded { unrated: 30, ..Recorded::default() };
    assert_eq!(stage.record(&waiting).await, unrated, "usage without a price waits");
    let redelivered = Recorded { redelivered: 30, ..Recorded::default() };
    assert_eq!(stage.record(&waiting).await, redelivered, "what waits is claimed");
    assert_eq!(stage.worker().unrated_count().await.expect("counted"), 30, "what waits is counted");
    let (before, directory) = (stage.book().await, stage.directory().await);
    let swept = rate_waiting(stage.worker(), &directory, &before).await.expect("swept");
    assert_eq!((swept.rated.messages, swept.is_complete), (0, true), "what no price covers goes on waiting");

    stage.add_price(price("0.01")).await;
    stage.add_cost(cost("0.02")).await;
    let book = stage.book().await;
    let rated = rated_of(stage, &book).await;
    let past = stage.worker().rerate(before.version(), directory.version(), &rated).await.expect("answered");
    assert_eq!(past, RerateOutcome::Stale, "nothing is rated at a version that is past");
    let sweep = || rate_waiting(stage.worker(), &directory, &book);
    let (a, b) = join(sweep(), sweep()).await;
    let (a, b) = (a.expect("swept").rated, b.expect("swept").rated);
    assert_eq!(a.messages + b.messages, 30, "of two at once each message is rated by one");
    assert_eq!(a.negative_margin + b.negative_margin, 30, "each that is sold below cost is told once");
    let again = stage.worker().rerate(book.version(), directory.version(), &rated).await.expect("answered");
    assert_eq!(again, RerateOutcome::Rated(Late::default()), "what was rated does not wait any more");
    assert_eq!(stage.usage().await, (30, 30, 300_000), "what waited is rated once");
    assert_eq!(stage.worker().unrated_count().await.expect("counted"), 0, "nothing waits any more");
    let republished: Vec<_> =
        waiting.iter().map(|(receipt, event)| (at(receipt.sequence + 100), event.clone())).collect();
    let duplicates = Recorded { duplicates: 30, ..Recorded::default() };
    assert_eq!(stage.record(&republished).await, duplicates, "a claim made while it waited stands");
}

/// What the sweep would rate, read beforehand.
async fn rated_of<S>(stage: &Stage<S>, book: &PriceBook) -> Vec<RatedUsage>
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    let groups: Vec<UnratedGroup> = stage.worker().waiting_groups(None, 10).await.expect("groups");
    let [group] = &groups[..] else { panic!("messages of one key wait in one group: {groups:?}") };
    let days = DayRange::new(Day::of(group.oldest), Some(Day::of(group.newest).next())).expect("a period");
    let mut rated = Vec::new();
    let mut after = None;
    loop {
        let mut page = stage.worker().waiting(group, days, after.as_ref(), 7).await.expect("a page");
        for waits in &page {
            let event = event().message(waits.usage.usage.message).build();
            let billing_domain::pricing::Rating::Rated(amounts) = book.rate(&event).expect("it fits") else {
                panic!("a price covers it")
            };
            let (receipt, fingerprint) = (waits.usage.receipt, waits.usage.fingerprint);
            rated.push(RatedUsage { receipt, fingerprint, event, rated: amounts });
        }
        after = page.pop();
        if after.is_none() {
            assert_eq!(rated.len(), 30, "the pages of a group hold each message once");
            return rated;
        }
    }
}

pub(super) async fn what_waited_in_vain_gives_up_its_claim<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let (wrong, right) = (TenantId(Uuid::from_u128(9)), event().build().tenant);
    let message = event();
    let mut bare = message.clone().tenant(wrong).reported();
    (bare.tier, bare.currency) = (None, None);
    let unrated = Recorded { unrated: 1, ..Recorded::default() };
    assert_eq!(stage.record_reported(&[(at(1), bare)]).await, unrated, "usage of an unknown account waits");
    let known = message.clone().build();
    let (account, tier, currency) = (known.account, known.tier, known.currency);
    let seen = Observation { account, tenant: right, day: Day::of(known.charged_at), tier, currency };
    stage.worker().learn(&[seen]).await.expect("the account is learned");
    let (directory, book) = (stage.directory().await, stage.book().await);
    let swept = rate_waiting(stage.worker(), &directory, &book).await.expect("swept");
    let refused: Vec<_> = swept.quarantined.into_iter().collect();
    assert_eq!((swept.rated.messages, refused), (0, vec![(QuarantineReason::TenantMismatch, 1)]), "it is quarantined");
    assert_eq!(stage.worker().unrated_count().await.expect("counted"), 0, "it waits no more");
    let recorded = stage.record(&[(at(2), message)]).await;
    assert_eq!(recorded.rated, 1, "the right message can be published under its id");
}

pub(super) async fn a_missing_cost_is_filled_once<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let batch: Vec<_> = (1..=10).map(|sequence| (at(sequence), event().segments(2))).collect();
    stage.record(&batch).await;
    let past = stage.book().await;
    stage.add_cost(cost("0.004")).await;
    let (directory, book) = (stage.directory().await, stage.book().await);
    let key = cost("0").draft().key;
    let days = DayRange::new(Day::of(batch[0].1.clone().build().charged_at), None).expect("a period");
    let uncosted = stage.worker().uncosted(&key, days, 100).await.expect("listed");
    let shares: Vec<_> =
        uncosted.into_iter().filter_map(|usage| Some((usage.clone(), book.cost_share(&usage.event).ok()??))).collect();
    let stale = stage.worker().fill_costs(past.version(), directory.version(), &shares).await.expect("answered");
    assert_eq!(stale, None, "nothing is filled at a version that is past");
    let fill = || stage.worker().fill_costs(book.version(), directory.version(), &shares);
    let (a, b) = join(fill(), fill()).await;
    let (a, b) = (a.expect("answered").unwrap_or_default(), b.expect("answered").unwrap_or_default());
    assert_eq!(a.messages + b.messages, 10, "of two at once each cost is filled by one");
    assert_eq!(a.negative_margin + b.negative_margin, 0, "what is sold above cost is no loss");
    let again = fill_missing_costs(stage.worker(), &directory, &book).await.expect("filled");
    assert_eq!(again, Some(Late::default()), "what is filled is not missing any more");
    let left = stage.worker().uncosted(&key, days, 100).await.expect("listed");
    assert!(left.is_empty(), "what is filled is not listed any more");
    let sums = stage.sums(Granularity::Day).await;
    let (cost, uncosted) = (sums.cost.0, sums.uncosted);
    assert_eq!((cost, uncosted), (80_000, 0), "costs are added to the sums once");
}

pub(super) async fn a_loss_that_a_late_cost_shows_is_told<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader,
{
    stage.add_price(price("0.01")).await;
    let batch: Vec<_> = (1..=10).map(|sequence| (at(sequence), event().segments(2))).collect();
    stage.record(&batch).await;
    stage.add_cost(cost("0.02")).await;
    let (directory, book) = (stage.directory().await, stage.book().await);
    let fill = || fill_missing_costs(stage.worker(), &directory, &book);
    let losses = Late { messages: 10, negative_margin: 10 };
    assert_eq!(fill().await.expect("filled"), Some(losses), "messages below a late cost are told");
    assert_eq!(fill().await.expect("filled"), Some(Late::default()), "and only once");
}
