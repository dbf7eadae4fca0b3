//! Accounts: what is learned of them, and what staff say.

use billing_domain::ports::{
    AccountAdmin, AccountChange, AccountField, AccountHistory, AccountOutcome, AccountRefusal, Accounts,
};
use billing_domain::usage::Observation;
use billing_domain::{AccountId, Currency, Day, TenantId, Tier};
use uuid::Uuid;

use super::Fresh;
use super::stage::{action, day};

const ACCOUNT: AccountId = AccountId(Uuid::from_u128(0xacc0_0001));
const TENANT: TenantId = TenantId(Uuid::from_u128(0x7e00_0001));
const OTHER_TENANT: TenantId = TenantId(Uuid::from_u128(0x7e00_0002));

fn seen(on: &str, tier: &str) -> Observation {
    Observation { account: ACCOUNT, tenant: TENANT, day: day(on), tier: self::tier(tier), currency: usd() }
}

fn tier(name: &str) -> Tier {
    Tier::new(name).expect("a tier")
}

fn usd() -> Currency {
    Currency::new("USD").expect("a currency")
}

/// The version of the directory, and the account's tier on some days.
async fn known<S: Accounts>(worker: &S, days: &[&str]) -> (i64, Vec<String>) {
    let directory = worker.directory().await.expect("the directory is there");
    let version = worker.directory_version().await.expect("a version");
    assert_eq!(directory.version(), version, "the directory is that of the current version");
    let record = directory.get(ACCOUNT).expect("the account is known");
    assert_eq!(record.tenant, TENANT, "an account's tenant is for ever");
    let tier_on = |on: Day| record.profile_on(on).expect("a profile").tier.as_str().to_owned();
    (version, days.iter().map(|on| tier_on(day(on))).collect())
}

async fn change<S: AccountAdmin>(staff: &S, change: &AccountChange) -> AccountOutcome {
    staff.change_account(change, None, &action()).await.expect("answered")
}

async fn changed<S: AccountAdmin>(staff: &S, asked: &AccountChange) -> (AccountHistory, bool) {
    match change(staff, asked).await {
        AccountOutcome::Done { history, is_new } => (history, is_new),
        AccountOutcome::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

pub(super) async fn a_profile_is_learned_once<S: Accounts + AccountAdmin>(fresh: &Fresh<S>) {
    let before = fresh.worker.directory_version().await.expect("a version");
    for (observations, versions, tiers) in [
        (vec![seen("2026-10-05", "STARTER"), seen("2026-10-06", "STARTER")], 1, ["STARTER"; 3]),
        (vec![seen("2026-10-05", "STARTER")], 1, ["STARTER"; 3]),
        (vec![], 1, ["STARTER"; 3]),
        (vec![seen("2026-10-20", "GROWTH")], 2, ["STARTER", "STARTER", "GROWTH"]),
        (vec![seen("2026-10-20", "STARTER"), seen("2026-10-25", "GROWTH")], 2, ["STARTER", "STARTER", "GROWTH"]),
    ] {
        fresh.worker.learn(&observations).await.expect("learned");
        let (version, found) = known(&fresh.worker, &["2026-10-01", "2026-10-19", "2026-10-20"]).await;
        assert_eq!(found, tiers, "a tier holds from the day on which it was seen");
        assert_eq!(version, before + versions, "what is no news gives no version");
    }
}

pub(super) async fn a_tenant_is_for_ever<S: Accounts + AccountAdmin>(fresh: &Fresh<S>) {
    fresh.worker.learn(&[seen("2026-10-05", "STARTER")]).await.expect("learned");
    let foreign = Observation { tenant: OTHER_TENANT, ..seen("2026-10-10", "GROWTH") };
    fresh.worker.learn(&[foreign]).await.expect("ignored");
    let (version, tiers) = known(&fresh.worker, &["2026-10-10"]).await;
    assert_eq!(tiers, ["STARTER"], "another tenant's word teaches nothing");
    let asked = AccountChange {
        tenant: Some(OTHER_TENANT),
        tier: Some(tier("CUSTOM")),
        ..AccountChange::none(ACCOUNT, day("2026-10-10"))
    };
    let outcome = change(&fresh.staff, &asked).await;
    assert_eq!(outcome, AccountOutcome::Refused(AccountRefusal::OtherTenant), "nor do staff move an account");
    assert_eq!(known(&fresh.worker, &["2026-10-10"]).await, (version, tiers), "what is refused changes nothing");
}

pub(super) async fn what_staff_say_stands<S: Accounts + AccountAdmin>(fresh: &Fresh<S>) {
    let incomplete = AccountChange { tier: Some(tier("CUSTOM")), ..AccountChange::none(ACCOUNT, day("2026-10-10")) };
    let missing = AccountRefusal::Incomplete(vec![AccountField::Tenant, AccountField::Currency]);
    assert_eq!(change(&fresh.staff, &incomplete).await, AccountOutcome::Refused(missing), "a new account needs more");
    assert_eq!(fresh.staff.account(ACCOUNT).await.expect("answered"), None, "what is refused is not there");

    let asked = AccountChange { tenant: Some(TENANT), currency: Some(usd()), ..incomplete };
    let (history, is_new) = changed(&fresh.staff, &asked).await;
    assert!(is_new, "an account may be known before its first event");
    let (version, _) = known(&fresh.worker, &[]).await;
    assert_eq!(changed(&fresh.staff, &asked).await, (history.clone(), false), "repeating a change changes nothing");
    assert_eq!(known(&fresh.worker, &[]).await.0, version, "and gives no version");
    let name = AccountChange { legal_name: Some("Ghasi".into()), ..AccountChange::none(ACCOUNT, day("2026-10-10")) };
    let (named, _) = changed(&fresh.staff, &name).await;
    let party = named.party_on(day("2026-10-10")).map(|version| version.party.name.clone());
    assert_eq!(party.as_deref(), Some("Ghasi"), "a name holds from its day");
    assert_eq!(known(&fresh.worker, &[]).await.0, version, "a name is none of rating's business");

    let observations = [seen("2026-10-12", "GROWTH"), seen("2026-10-03", "STARTER")];
    fresh.worker.learn(&observations).await.expect("learned");
    let (_, tiers) = known(&fresh.worker, &["2026-10-03", "2026-10-10", "2026-11-30"]).await;
    assert_eq!(tiers, ["STARTER", "CUSTOM", "CUSTOM"], "staff's word stands from its day on");
    let page = fresh.staff.accounts(Some(&tier("CUSTOM")), day("2026-10-10"), None, 10).await.expect("listed");
    let listed: Vec<_> = page.rows.iter().map(|row| (row.account, row.tenant, row.legal_name.as_deref())).collect();
    assert_eq!(listed, [(ACCOUNT, TENANT, Some("Ghasi"))], "a list shows accounts as they are on its day");
}

pub(super) async fn what_was_seen_otherwise_stays<S: Accounts + AccountAdmin>(fresh: &Fresh<S>) {
    let first = AccountChange {
        tenant: Some(TENANT),
        tier: Some(tier("STARTER")),
        currency: Some(usd()),
        ..AccountChange::none(ACCOUNT, day("2026-10-10"))
    };
    let (seen, _) = changed(&fresh.staff, &first).await;
    let next = |name: &str| AccountChange { tier: Some(tier(name)), ..AccountChange::none(ACCOUNT, day("2026-10-20")) };
    for (name, is_taken) in [("GROWTH", true), ("CUSTOM", false)] {
        let outcome = fresh.staff.change_account(&next(name), Some(&seen), &action()).await.expect("answered");
        let is_refused = outcome == AccountOutcome::Refused(AccountRefusal::Changed);
        assert_eq!(is_refused, !is_taken, "what was seen otherwise stays: {outcome:?}");
    }
    let (_, tiers) = known(&fresh.worker, &["2026-10-20"]).await;
    assert_eq!(tiers, ["GROWTH"], "what is refused changes nothing");
}
