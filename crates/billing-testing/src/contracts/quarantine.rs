//! Messages that were set aside: staff see no bytes, and what they decide is done once.

use billing_domain::TenantId;
use billing_domain::ports::{
    Accounts, AdminAction, ChangeOutcome, HeldDetails, HeldState, PriceAdmin, PriceBookStore, Quarantine,
    QuarantineAdmin, QuarantineFilter, Refusal, ReplayEnd, ReplayError, ReplayTerms, ReplayedAs, Resolution,
    UsageLedger, UsageReader,
};
use billing_domain::usage::{QuarantineReason, Receipt, ReportedUsage};
use billing_domain::use_cases::{Delivery, Unreadable, prepare_batch, replay_requested};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::builders::{event, price};

use super::stage::{Stage, action, at, done, now};

const RAW: &[u8] = br#"{"to":"+93701234567","segmentCount":"two"}"#;
const MASKED: &str = r#"{"to":"+***********","segmentCount":"two"}"#;

fn malformed(reason: QuarantineReason) -> Unreadable {
    Unreadable { reason, detail: "not as it should be".into(), account: Some(event().build().account) }
}

/// Sets messages aside as ingest does; their ids.
async fn hold<S>(stage: &Stage<S>, messages: &[(Receipt, QuarantineReason)]) -> Vec<i64>
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    let deliver = |(receipt, reason): &(Receipt, QuarantineReason)| Delivery {
        receipt: *receipt,
        raw: RAW,
        content: Err(malformed(*reason)),
    };
    let deliveries: Vec<_> = messages.iter().map(deliver).collect();
    stage.worker().prepare_partitions(now()).await.expect("there is room");
    let batch = prepare_batch(&deliveries, now(), &stage.directory().await, &stage.book().await);
    stage.worker().record(&batch).await.expect("the batch is recorded");
    let page = stage.staff().list_held(&QuarantineFilter::default(), None, 100, &action()).await.expect("listed");
    page.rows.iter().map(|held| held.id).collect()
}

fn keyed(key: &str, hash: u8) -> AdminAction {
    AdminAction { idempotency: Some((key.to_owned(), [hash; 32])), ..action() }
}

fn later(seconds: i64) -> AdminAction {
    let at: Timestamp = now().checked_add(SignedDuration::from_secs(seconds)).expect("an instant");
    AdminAction { at, ..action() }
}

fn refusal(outcome: &ChangeOutcome<HeldDetails>) -> Option<Refusal> {
    match outcome {
        ChangeOutcome::Done(_) => None,
        ChangeOutcome::Refused(refusal) => Some(*refusal),
    }
}

pub(super) async fn staff_see_what_is_held_and_no_bytes<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    use QuarantineReason::{Malformed, UnknownVersion};
    let ids = hold(stage, &[(at(1), Malformed), (at(2), UnknownVersion), (at(3), Malformed)]).await;
    let [first, second, third] = ids[..] else { panic!("each message is set aside once: {ids:?}") };
    done(stage.staff().discard_held(third, "a test", &action()).await.expect("answered"));
    let account = Some(event().build().account);
    let all = QuarantineFilter::default;
    let far: Option<Timestamp> = "2999-01-01T00:00:00Z".parse().ok();
    for (filter, expected) in [
        (all(), vec![first, second, third]),
        (QuarantineFilter { state: Some(HeldState::Open), account, ..all() }, vec![first, second]),
        (QuarantineFilter { state: Some(HeldState::Discarded), ..all() }, vec![third]),
        (QuarantineFilter { state: Some(HeldState::Replayed), ..all() }, vec![]),
        (QuarantineFilter { reason: Some(UnknownVersion), ..all() }, vec![second]),
        (QuarantineFilter { until: Some(Timestamp::UNIX_EPOCH), ..all() }, vec![]),
        (QuarantineFilter { since: Some(Timestamp::UNIX_EPOCH), until: far, ..all() }, vec![first, second, third]),
    ] {
        for limit in [1, 2, 100] {
            let (mut after, mut found) = (None, Vec::new());
            loop {
                let page = stage.staff().list_held(&filter, after, limit, &action()).await.expect("listed");
                found.extend(page.rows.iter().map(|held| held.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "pages of {limit} hold what is asked for, by {filter:?}");
        }
    }
    let shown = stage.staff().show_held(first, &action()).await.expect("shown").expect("it is there");
    assert_eq!(shown.shown.as_deref(), Some(MASKED), "what could be a phone number is not shown");
    assert_eq!((shown.message.receipt, shown.replay), (at(1), None), "one message is shown as it came");
    for (id, expected) in [(first, true), (999, false)] {
        assert_eq!(stage.staff().knows_held(id).await.expect("answered"), expected, "what is there is known: {id}");
        let shown = stage.staff().show_held(id, &action()).await.expect("answered");
        assert_eq!(shown.is_some(), expected, "what is not there is not shown: {id}");
    }
}

pub(super) async fn a_replay_is_asked_for_and_carried_out_once<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    stage.add_price(price("0.01")).await;
    let ids = hold(stage, &[(at(1), QuarantineReason::Malformed), (at(2), QuarantineReason::TenantMismatch)]).await;
    let [held, mismatch] = ids[..] else { panic!("each message is set aside once: {ids:?}") };
    let (staff, terms) = (stage.staff(), ReplayTerms::default());
    let ask = async |message, action: AdminAction| {
        staff.request_replay(message, terms, Uuid::new_v4(), &action).await.expect("answered")
    };
    let asked = done(ask(held, keyed("k", 1)).await);
    assert_eq!(asked.replay.map(|replay| (replay.by, replay.ended)), Some(("staff".into(), None)), "a request waits");
    assert_eq!(refusal(&ask(held, keyed("k", 1)).await), None, "one key has one effect");
    for (message, action, expected) in [
        (held, action(), Refusal::Replay(ReplayError::Waiting)),
        (held, keyed("k", 2), Refusal::KeyReused),
        (999, action(), Refusal::Replay(ReplayError::NotFound)),
        (mismatch, action(), Refusal::Replay(ReplayError::TenantNeeded)),
    ] {
        assert_eq!(refusal(&ask(message, action).await), Some(expected), "{message} cannot be replayed now");
    }
    let usage = event();
    let decode = |_: Option<TenantId>, raw: &[u8]| -> Result<ReportedUsage, Unreadable> {
        assert_eq!(raw, RAW, "who records usage reads the bytes as they came");
        Ok(usage.clone().reported())
    };
    for expected in [1, 0] {
        let replayed = replay_requested(stage.worker(), decode, now()).await.expect("carried out");
        assert_eq!(replayed, expected, "a request is carried out once");
    }
    assert_eq!(stage.usage().await, (1, 1, 10_000), "what was replayed is recorded");
    let shown = staff.show_held(held, &action()).await.expect("shown").expect("it is there");
    let became = shown.message.resolved.map(|(resolution, by, _)| (resolution, by));
    assert_eq!(became, Some((Resolution::Replayed(ReplayedAs::Recorded), "staff".into())), "it is theirs who asked");
    let ended = shown.replay.and_then(|replay| replay.ended);
    assert_eq!(ended, Some((ReplayEnd::Became(ReplayedAs::Recorded), now())), "and what it came to is noted");
    assert_eq!(refusal(&ask(held, keyed("k", 1)).await), None, "asked again under its key it answers as before");
    assert_eq!(refusal(&ask(held, action()).await), Some(Refusal::Replay(ReplayError::Resolved)));
}

pub(super) async fn a_replay_that_mends_nothing_says_so<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    let ids = hold(stage, &[(at(1), QuarantineReason::Malformed)]).await;
    let [held] = ids[..] else { panic!("each message is set aside once: {ids:?}") };
    let decode = |_: Option<TenantId>, _: &[u8]| -> Result<ReportedUsage, Unreadable> {
        Err(malformed(QuarantineReason::UnknownVersion))
    };
    for round in 0..2 {
        let id = Uuid::new_v4();
        done(stage.staff().request_replay(held, ReplayTerms::default(), id, &later(round)).await.expect("answered"));
        assert_eq!(replay_requested(stage.worker(), decode, now()).await.expect("carried out"), 0);
        let shown = stage.staff().show_held(held, &action()).await.expect("shown").expect("it is there");
        assert_eq!(shown.message.reason, QuarantineReason::UnknownVersion, "it is held for what is wrong now");
        let stays = ReplayEnd::Stays("unknown_version: not as it should be".into());
        let ended = shown.replay.and_then(|replay| replay.ended.map(|(end, _)| (replay.id, end)));
        assert_eq!(ended, Some((id, stays)), "a replay that mends nothing says so, and may be asked for again");
    }
}

pub(super) async fn what_is_discarded_is_closed_for_good<S>(stage: &Stage<S>)
where
    S: UsageLedger + Accounts + PriceBookStore + PriceAdmin + UsageReader + QuarantineAdmin + Quarantine,
{
    let ids = hold(stage, &[(at(1), QuarantineReason::Malformed), (at(2), QuarantineReason::Malformed)]).await;
    let [held, other] = ids[..] else { panic!("each message is set aside once: {ids:?}") };
    for (id, action, expected) in [
        (999, action(), Some(Refusal::NotFound)),
        (held, keyed("k", 1), None),
        (held, AdminAction { at: later(1).at, ..keyed("k", 1) }, None),
        (held, keyed("k", 2), Some(Refusal::KeyReused)),
        (held, later(1), Some(Refusal::Ended)),
        (other, action(), None),
        // The answer was lost: the same call again.
        (other, action(), None),
    ] {
        let outcome = stage.staff().discard_held(id, "a test", &action).await.expect("answered");
        assert_eq!(refusal(&outcome), expected, "what is discarded is closed for good: {id}, {action:?}");
    }
    let replay = stage.staff().request_replay(held, ReplayTerms::default(), Uuid::new_v4(), &action()).await;
    assert_eq!(refusal(&replay.expect("answered")), Some(Refusal::Replay(ReplayError::Resolved)));
    let shown = stage.staff().show_held(held, &action()).await.expect("shown").expect("it is there");
    let why = shown.message.resolved.map(|(resolution, ..)| resolution);
    assert_eq!(why, Some(Resolution::Discarded("a test".into())), "and says why");
}
