//! Intake, buckets and reports: the rules of money, "Exactly once" and "Amounts", as tables and laws.

use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::pricing::{CostShare, Rated, sample_price};
use crate::{
    AccountId, CostId, Currency, Day, DayRange, MessageId, Micros, MicrosSum, OperatorId, PriceBook, PriceId, TenantId,
    Tier,
};

fn usd() -> Currency {
    Currency::new("USD").unwrap()
}

fn reported() -> ReportedUsage {
    ReportedUsage {
        message: MessageId(Uuid::from_u128(1)),
        tenant: Some(TenantId(Uuid::from_u128(2))),
        account: AccountId(Uuid::from_u128(3)),
        tier: Some(Tier::new("STARTER").unwrap()),
        operator: OperatorId::new("op-20").unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(2).unwrap(),
        currency: Some(usd()),
        charged_at: "2026-11-10T08:00:00Z".parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    }
}

fn without_profile_fields() -> ReportedUsage {
    ReportedUsage { tier: None, currency: None, tenant: None, ..reported() }
}

fn directory() -> AccountDirectory {
    let version = |from: &str, tier: &str| ProfileVersion {
        from: Day::parse(from).unwrap(),
        tier: Tier::new(tier).unwrap(),
        currency: usd(),
        source: ProfileSource::Event,
    };
    let profile = vec![version("2026-10-01", "STARTER"), version("2026-11-11", "GROWTH")];
    AccountDirectory::new(
        1,
        HashMap::from([(reported().account, AccountRecord { tenant: TenantId(Uuid::from_u128(2)), profile })]),
    )
}

fn now() -> Timestamp {
    "2026-11-15T12:00:00Z".parse().unwrap()
}

#[test]
fn what_a_message_leaves_out_comes_from_the_profile_of_its_day_and_its_own_word_wins() {
    let book = PriceBook::build(1, vec![(&sample_price("0.01").unwrap()).into()], vec![]).unwrap();
    for (usage, known, expected) in [
        (reported(), false, "STARTER USD"),
        (without_profile_fields(), true, "STARTER USD"),
        (ReportedUsage { charged_at: "2026-11-11T00:00:00Z".parse().unwrap(), ..reported() }, true, "STARTER USD"),
        (
            ReportedUsage { charged_at: "2026-11-11T00:00:00Z".parse().unwrap(), ..without_profile_fields() },
            true,
            "no price",
        ),
        (
            ReportedUsage { charged_at: "2026-09-01T00:00:00Z".parse().unwrap(), ..without_profile_fields() },
            true,
            "STARTER USD",
        ),
        (without_profile_fields(), false, "unknown account"),
        (ReportedUsage { currency: Some(Currency::new("AFN").unwrap()), ..reported() }, true, "no price"),
    ] {
        let directory = if known { directory() } else { AccountDirectory::default() };
        let shown = match admit(&usage, now(), &directory, &book).unwrap() {
            Admitted::Rated(event, _) => format!("{} {}", event.tier, event.currency),
            Admitted::Unrated(_, UnratedReason::NoPrice) => "no price".to_owned(),
            Admitted::Unrated(_, UnratedReason::UnknownAccount) => "unknown account".to_owned(),
        };
        assert_eq!(shown, expected, "{usage:?}");
    }
}

#[test]
fn an_account_has_one_tenant() {
    let book = PriceBook::build(1, vec![(&sample_price("0.01").unwrap()).into()], vec![]).unwrap();
    let other = ReportedUsage { tenant: Some(TenantId(Uuid::from_u128(9))), ..reported() };
    assert_eq!(admit(&other, now(), &directory(), &book), Err(IntakeError::TenantMismatch));
    assert!(admit(&other, now(), &AccountDirectory::default(), &book).is_ok());
}

#[test]
fn what_has_not_happened_or_is_too_old_is_set_aside() {
    for (charged_at, now, expected) in [
        ("2026-11-15T12:00:05Z", "2026-11-15T12:00:00Z", None),
        ("2026-11-15T12:00:05.000001Z", "2026-11-15T12:00:00Z", Some(QuarantineReason::Future)),
        ("2025-10-15T12:00:00Z", "2026-11-15T12:00:00Z", None),
        ("2025-10-15T11:59:59.999999Z", "2026-11-15T12:00:00Z", Some(QuarantineReason::TooOld)),
        ("2025-03-03T00:00:00Z", "2026-03-31T00:00:00Z", None),
        ("2025-02-27T00:00:00Z", "2026-03-31T00:00:00Z", Some(QuarantineReason::TooOld)),
    ] {
        let refused = check_age(charged_at.parse().unwrap(), now.parse().unwrap()).err();
        assert_eq!(refused.map(|error| error.reason()), expected, "{charged_at} at {now}");
    }
}

fn rated(day: u8, operator: &str, segments: i64, amount: i64, cost: Option<(i64, &str)>) -> RatedUsage {
    let usage = reported();
    let event = UsageEvent {
        message: usage.message,
        tenant: usage.tenant.unwrap(),
        account: usage.account,
        tier: usage.tier.unwrap(),
        operator: OperatorId::new(operator).unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(segments).unwrap(),
        currency: usd(),
        charged_at: format!("2026-11-{day:02}T23:30:00Z").parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    };
    let share = |(amount, currency): (i64, &str)| CostShare {
        cost: CostId(Uuid::nil()),
        amount: Micros(amount),
        currency: Currency::new(currency).unwrap(),
    };
    let rated = Rated { price: PriceId(Uuid::nil()), units: 1, amount: Micros(amount), cost: cost.map(share) };
    let receipt = Receipt { sequence: 1, published_at: now() };
    RatedUsage { receipt, fingerprint: Fingerprint(Uuid::nil()), event, rated }
}

#[test]
fn a_bucket_is_of_one_account_operator_direction_currency_price_and_utc_day() {
    let first = rated(10, "op-20", 2, 100, None);
    type Change = fn(&mut RatedUsage);
    let same: Change = |_| {};
    for (change, shared) in [
        (same, true),
        (|usage| usage.event.message = MessageId(Uuid::from_u128(8)), true),
        (|usage| usage.event.tier = Tier::new("GROWTH").unwrap(), true),
        (|usage| usage.event.dlr_status = DlrStatus::Failed, true),
        (|usage| usage.event.charged_at = "2026-11-10T00:00:00Z".parse().unwrap(), true),
        (|usage| usage.event.charged_at = "2026-11-11T04:29:59+04:30".parse().unwrap(), true),
        (|usage| usage.event.charged_at = "2026-11-11T00:00:00Z".parse().unwrap(), false),
        (|usage| usage.event.charged_at = "2026-11-09T23:59:59.999999Z".parse().unwrap(), false),
        (|usage| usage.event.account = AccountId(Uuid::from_u128(8)), false),
        (|usage| usage.event.operator = OperatorId::new("op-21").unwrap(), false),
        (|usage| usage.event.direction = Direction::Mo, false),
        (|usage| usage.event.currency = Currency::new("AFN").unwrap(), false),
        (|usage| usage.rated.price = PriceId(Uuid::from_u128(8)), false),
    ] {
        let mut other = first.clone();
        change(&mut other);
        assert_eq!(BucketKey::of(&first) == BucketKey::of(&other), shared, "{other:?}");
    }
}

#[test]
fn a_bucket_sums_messages_segments_units_amounts_and_costs() {
    // Segments, units, amount, cost; then messages, segments, units, amount, cost, uncosted, foreign.
    let usd_cost = Some((40, "USD"));
    for (events, expected) in [
        (vec![(3, 3, 300, usd_cost), (2, 1, 100, usd_cost)], (2, 5, 4, 400, 80, 0, 0)),
        (vec![(3, 0, 0, usd_cost)], (1, 3, 0, 0, 40, 0, 0)),
        (vec![(3, 3, 300, None), (1, 1, 100, usd_cost)], (2, 4, 4, 400, 40, 1, 0)),
        (vec![(3, 3, 300, Some((999, "AFN"))), (1, 1, 100, usd_cost)], (2, 4, 4, 400, 40, 0, 1)),
    ] {
        let usage = events.iter().map(|(segments, units, amount, cost)| {
            let mut usage = rated(1, "op", *segments, *amount, *cost);
            usage.rated.units = *units;
            usage
        });
        let usage: Vec<_> = usage.collect();
        let sums = fold(&usage).unwrap().buckets[0].1;
        let found =
            (sums.messages, sums.segments, sums.units, sums.amount.0, sums.cost.0, sums.uncosted, sums.foreign_cost);
        assert_eq!(found, expected, "{events:?}");
    }
}

#[test]
fn a_margin_is_known_only_when_every_cost_is_known_in_the_price_s_currency() {
    for (events, expected) in [
        (vec![rated(1, "op", 1, 100, Some((40, "USD"))), rated(1, "op", 2, 200, Some((300, "USD")))], Some(-40)),
        (vec![rated(1, "op", 1, 100, Some((40, "USD"))), rated(1, "op", 2, 200, None)], None),
        (vec![rated(1, "op", 1, 100, Some((40, "AFN")))], None),
        (vec![rated(1, "op", 1, 100, Some((0, "USD")))], Some(100)),
    ] {
        let folded = fold(&events).unwrap().buckets;
        assert_eq!(folded[0].1.margin(), expected.map(MicrosSum));
        assert_eq!(folded[0].1.known_cost().is_some(), expected.is_some());
    }
}

#[test]
fn a_report_has_every_period_and_the_main_currency_first() {
    let days = DayRange::inclusive(Day::parse("2026-10-30").unwrap(), Some(Day::parse("2026-11-02").unwrap())).unwrap();
    let cell = |currency: &str, start: &str, messages| UsageCell {
        currency: Currency::new(currency).unwrap(),
        start: start.parse().unwrap(),
        sums: BucketSums { messages, segments: messages, amount: MicrosSum(10), ..BucketSums::default() },
    };
    let cells = [
        cell("AFN", "2026-10-31T00:00:00Z", 9),
        cell("USD", "2026-11-01T00:00:00Z", 2),
        cell("USD", "2026-10-30T00:00:00Z", 1),
    ];
    for (granularity, profile, expected) in [
        (
            Granularity::Day,
            Some("USD"),
            "USD 3: 2026-10-30=1 2026-10-31=0 2026-11-01=2 2026-11-02=0; AFN 9: 2026-10-30=0 2026-10-31=9 2026-11-01=0 2026-11-02=0",
        ),
        (Granularity::Month, None, "AFN 9: 2026-10=9 2026-11=0; USD 3: 2026-10=1 2026-11=2"),
        (Granularity::Month, Some("JPY"), "AFN 9: 2026-10=9 2026-11=0; USD 3: 2026-10=1 2026-11=2"),
    ] {
        let question = UsageQuestion { tenant: None, account: reported().account, days, granularity, operator: None };
        let figures = summarise(&question, profile.map(|code| Currency::new(code).unwrap()), &cells).unwrap();
        let shown: Vec<String> = figures
            .iter()
            .map(|f| {
                let periods: Vec<_> =
                    f.periods.iter().map(|(period, sums)| format!("{period}={}", sums.messages)).collect();
                format!("{} {}: {}", f.currency, f.totals.messages, periods.join(" "))
            })
            .collect();
        assert_eq!(shown.join("; "), expected);
    }
    let question = UsageQuestion {
        tenant: None,
        account: reported().account,
        days,
        granularity: Granularity::Hour,
        operator: None,
    };
    let figures = summarise(&question, Some(usd()), &[]).unwrap();
    assert_eq!((figures.len(), figures[0].periods.len()), (1, 96));
    assert_eq!(figures[0].periods[95].0.to_string(), "2026-11-02T23:00:00Z");
    assert!(summarise(&question, None, &[]).unwrap().is_empty());
}

#[test]
fn ranges_have_limits() {
    for (granularity, days, ok) in [
        (Granularity::Hour, 31, true),
        (Granularity::Hour, 32, false),
        (Granularity::Day, 400, true),
        (Granularity::Month, 401, false),
    ] {
        let from = Day::parse("2026-01-01").unwrap();
        let until = Day::from_epoch_days(from.epoch_days() + days).unwrap();
        let days = DayRange::new(from, Some(until)).unwrap();
        let question = UsageQuestion { tenant: None, account: reported().account, days, granularity, operator: None };
        assert_eq!(question.check().is_ok(), ok);
    }
}

proptest! {
    /// However events are cut into batches and ordered, the buckets come to the same.
    #[test]
    fn folding_loses_and_makes_nothing(
        raw in prop::collection::vec((1_u8..4, 0_usize..3, 1_i64..=10, 0_i64..1_000_000, prop::option::of(0_i64..1000)), 0..50),
        cut in 0_usize..50,
    ) {
        let operators = ["op-1", "op-2", "op-3"];
        let events: Vec<_> = raw.iter().map(|(day, op, segments, amount, cost)| rated(*day, operators[*op], *segments, *amount, cost.map(|c| (c, "USD")))).collect();
        let Folded { buckets: whole, places } = fold(&events).unwrap();
        let total = |folded: &[(BucketKey, BucketSums)]| {
            let mut sum = BucketSums::default();
            folded.iter().for_each(|(_, sums)| sum.merge(sums).unwrap());
            sum
        };
        prop_assert!(whole.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let keys: Vec<_> = places.iter().map(|place| whole[*place].0.clone()).collect();
        prop_assert_eq!(keys, events.iter().map(BucketKey::of).collect::<Vec<_>>());
        prop_assert_eq!(total(&whole).amount.0, raw.iter().map(|r| i128::from(r.3)).sum::<i128>());
        prop_assert_eq!(total(&whole).uncosted, u64::try_from(raw.iter().filter(|r| r.4.is_none()).count()).unwrap());
        let (first, second) = events.split_at(cut.min(events.len()));
        let mut parts: HashMap<BucketKey, BucketSums> = HashMap::new();
        for (key, sums) in fold(second).unwrap().buckets.into_iter().chain(fold(first).unwrap().buckets) {
            parts.entry(key).or_default().merge(&sums).unwrap();
        }
        prop_assert_eq!(parts, whole.into_iter().collect::<HashMap<_, _>>());
    }
}
