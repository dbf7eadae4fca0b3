//! Accounts on a real server: what events teach, what staff say, who may see it, and what waits for it.

use std::sync::Arc;

use crate::support::{TestDatabase, account, action, day, tenant, usage, usd};
use billing_domain::invoicing::{LanguageTag, Percentage, TaxRate};
use billing_domain::ports::{
    AccountAdmin, AccountChange, AccountField, AccountHistory, AccountOutcome, AccountRefusal, Accounts,
    PriceBookStore, UsageLedger, UsageReader,
};
use billing_domain::usage::{Granularity, Observation, ProfileSource, UsageQuestion};
use billing_domain::use_cases::rate_waiting;
use billing_domain::{AccountId, Currency, Day, DayRange, Tier};
use billing_postgres::revert_all;
use billing_testing::certificates::trusting_nobody;
use tokio_postgres::NoTls;

fn tier(text: &str) -> Tier {
    Tier::new(text).unwrap()
}

fn currency(code: &str) -> Currency {
    Currency::new(code).unwrap()
}

fn change(of: AccountId, from: &str, set: impl FnOnce(&mut AccountChange)) -> AccountChange {
    let mut change = AccountChange::none(of, day(from));
    set(&mut change);
    change
}

/// An account of tenant 1 with tier and currency.
fn new_account(of: AccountId, from: &str) -> AccountChange {
    change(of, from, |c| (c.tenant, c.tier, c.currency) = (Some(tenant(1)), Some(tier("STARTER")), Some(usd())))
}

fn seen(of: AccountId, on: &str, named: &str) -> Observation {
    Observation { account: of, tenant: tenant(1), day: day(on), tier: tier(named), currency: usd() }
}

async fn enter(db: &TestDatabase, change: &AccountChange) -> AccountHistory {
    match db.api.change_account(change, None, &action("staff")).await.unwrap() {
        AccountOutcome::Done { history, .. } => history,
        AccountOutcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// Tier and currency as rating sees them on a day, and as the list does.
async fn profile(db: &TestDatabase, of: AccountId, on: Day) -> [String; 2] {
    let directory = db.worker.directory().await.unwrap();
    let version = directory.get(of).unwrap().profile_on(on).unwrap();
    let page = db.api.accounts(None, on, None, 50).await.unwrap();
    let listed = page.rows.iter().find(|row| row.account == of).unwrap();
    [format!("{} {}", version.tier, version.currency), format!("{} {}", listed.tier, listed.currency)]
}

#[tokio::test(flavor = "multi_thread")]
async fn staffs_word_stands_against_what_events_say() {
    let db = TestDatabase::create().await;
    let one = account(1);
    db.worker.learn(&[seen(one, "2026-10-01", "STARTER"), seen(one, "2026-10-10", "GROWTH")]).await.unwrap();
    let said = change(one, "2026-10-10", |c| c.tier = Some(tier("TYPO")));
    enter(&db, &said).await;
    enter(&db, &change(one, "2026-10-10", |c| c.tier = Some(tier("CUSTOM")))).await;
    enter(&db, &change(one, "2026-11-01", |c| c.currency = Some(currency("AFN")))).await;
    let news = [
        seen(one, "2026-09-20", "OLD"),
        seen(one, "2026-10-05", "GROWTH"),
        seen(one, "2026-10-10", "OTHER"),
        seen(one, "2026-12-01", "OTHER"),
    ];
    db.worker.learn(&news).await.unwrap();
    for (on, expected) in [
        ("2026-01-01", "OLD USD"),
        ("2026-09-20", "OLD USD"),
        ("2026-10-01", "STARTER USD"),
        ("2026-10-05", "GROWTH USD"),
        ("2026-10-10", "CUSTOM USD"),
        ("2026-10-31", "CUSTOM USD"),
        ("2026-11-01", "CUSTOM AFN"),
        ("2026-12-31", "CUSTOM AFN"),
    ] {
        assert_eq!(profile(&db, one, day(on)).await, [expected, expected], "{on}");
    }
    let history = db.api.account(one).await.unwrap().unwrap();
    let sources: Vec<_> = history.profile.iter().map(|known| known.entry.is_some()).collect();
    assert_eq!(sources, [false, false, false, false, true, true, true]);
    let staff = history.profile.iter().filter(|known| known.version.source == ProfileSource::Staff);
    assert!(staff.clone().all(|known| known.entry.as_ref().unwrap().by == "staff"));
    assert_eq!(staff.count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_finds_in_force_is_what_the_domain_does() {
    let db = TestDatabase::create().await;
    // Every order of learning and saying on three days, each account one.
    let days = ["2026-10-01", "2026-10-02", "2026-10-03"];
    for number in 0..64_u128 {
        let of = account(number);
        enter(&db, &new_account(of, days[usize::try_from(number % 3).unwrap()])).await;
        for (step, bits) in [number & 3, (number >> 2) & 3, (number >> 4) & 3].into_iter().enumerate() {
            let (on, named) = (days[step], format!("T{step}{bits}"));
            match bits {
                0 => {}
                1 => db.worker.learn(&[seen(of, on, &named)]).await.unwrap(),
                _ => drop(enter(&db, &change(of, on, |c| c.tier = Some(tier(&named)))).await),
            }
        }
    }
    let directory = db.worker.directory().await.unwrap();
    for on in ["2026-09-30", "2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"] {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = db.api.accounts(None, day(on), after, 50).await.unwrap();
            listed.extend(page.rows);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), 64);
        for row in listed {
            let known = directory.get(row.account).unwrap().profile_on(day(on)).unwrap();
            assert_eq!(row.tier, known.tier, "{} on {on}", row.account);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_once_and_keeps_its_tenant() {
    let db = TestDatabase::create().await;
    let one = account(1);
    let unnamed = change(one, "2026-10-01", |c| c.locale = Some(LanguageTag::default()));
    let missing = vec![AccountField::Tenant, AccountField::Tier, AccountField::Currency, AccountField::LegalName];
    let refused = db.api.change_account(&unnamed, None, &action("staff")).await.unwrap();
    assert_eq!(refused, AccountOutcome::Refused(AccountRefusal::Incomplete(missing)));
    assert_eq!(db.api.account(one).await.unwrap(), None);

    let version = db.worker.directory_version().await.unwrap();
    let new = new_account(one, "2026-10-01");
    for is_new in [true, false] {
        let done = db.api.change_account(&new, None, &action("staff")).await.unwrap();
        assert!(matches!(done, AccountOutcome::Done { is_new: found, .. } if found == is_new), "{done:?}");
    }
    assert_eq!(db.worker.directory_version().await.unwrap(), version + 1);
    let stranger = change(one, "2026-10-01", |c| (c.tenant, c.tier) = (Some(tenant(2)), Some(tier("GROWTH"))));
    let refused = db.api.change_account(&stranger, None, &action("staff")).await.unwrap();
    assert_eq!(refused, AccountOutcome::Refused(AccountRefusal::OtherTenant));
    // A name gives rating nothing new to read.
    enter(&db, &change(one, "2026-10-01", |c| c.legal_name = Some("Ghasi".into()))).await;
    assert_eq!(db.worker.directory_version().await.unwrap(), version + 1);
    let audited =
        "SELECT string_agg(action || ' by ' || actor || ', ' || detail, '; ' ORDER BY id) FROM billing.audit_log";
    assert_eq!(
        db.text(audited).await,
        "account.change by staff, from 2026-10-01: tier STARTER, currency USD; \
         account.change by staff, from 2026-10-01: what invoices say of the customer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_account_is_rated_once_staff_know_it() {
    let db = TestDatabase::create().await;
    db.add_price("STARTER", "*", "0.01").await;
    let of_unknown = || {
        let (receipt, mut reported) = usage(account(1), "2026-11-10T08:00:00Z");
        (reported.tenant, reported.tier, reported.currency) = (None, None, None);
        (receipt, reported)
    };
    db.record(&[of_unknown(), of_unknown()]).await;
    assert_eq!(db.worker.unrated_count().await.unwrap(), 2);
    // Known by a tier without a price, it waits for the price; with another tier it waits no more.
    for (named, waits) in [("POOR", 2), ("STARTER", 0)] {
        let mut said = new_account(account(1), "2026-11-01");
        said.tier = Some(tier(named));
        enter(&db, &said).await;
        let (directory, book) = (db.worker.directory().await.unwrap(), db.worker.book().await.unwrap());
        rate_waiting(&db.worker, &directory, &book).await.unwrap();
        assert_eq!(db.worker.unrated_count().await.unwrap(), waits, "{named}");
    }
    assert_eq!(db.number("SELECT sum(messages)::bigint FROM billing.usage_buckets").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_changes_at_once_lose_nothing() {
    let db = Arc::new(TestDatabase::create().await);
    let one = account(1);
    enter(
        &db,
        &change(one, "2026-10-01", |c| {
            *c = {
                let mut new = new_account(one, "2026-10-01");
                new.legal_name = Some("Ghasi".into());
                new
            }
        }),
    )
    .await;
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                let said = change(one, "2026-10-01", |c| match number % 5 {
                    0 => c.address = Some(vec!["شهر نو".into(), "Kabul".into()]),
                    1 => c.tax_id = Some(Some("9000".into())),
                    2 => c.locale = Some(LanguageTag::new("fa-AF").unwrap()),
                    3 => c.tier = Some(tier("GROWTH")),
                    _ => c.tax_rates = Some(taxes()),
                });
                enter(&db, &said).await;
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let history = db.api.account(one).await.unwrap().unwrap();
    let party = history.party_on(day("2026-10-31")).unwrap();
    assert_eq!((party.party.name.as_str(), party.party.tax_id.as_deref()), ("Ghasi", Some("9000")));
    assert_eq!((party.party.address.len(), party.locale.as_str(), &party.tax_rates), (2, "fa-AF", &taxes()));
    assert_eq!((history.parties.len(), history.profile.len()), (5, 2));
    assert_eq!(history.party_on(day("2026-09-30")), None);
    // The way back keeps of each day what held.
    revert_all(&db.url, &db.owner_credentials, &trusting_nobody()).await.unwrap();
}

fn taxes() -> Vec<TaxRate> {
    [("VAT", "7.25"), ("Levy", "0.0001"), ("None", "0"), ("All", "100")]
        .map(|(name, percent)| TaxRate::new(name, Percentage::parse(percent).unwrap()).unwrap())
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_currency_is_the_one_in_force() {
    let db = TestDatabase::create().await;
    let one = account(1);
    db.worker.learn(&[seen(one, "2026-01-01", "STARTER"), seen(one, "2026-03-01", "GROWTH")]).await.unwrap();
    for (from, code) in [("2026-02-01", "AFN"), ("2999-01-01", "EUR")] {
        enter(&db, &change(one, from, |c| c.currency = Some(currency(code)))).await;
    }
    let question = UsageQuestion {
        account: one,
        tenant: Some(tenant(1)),
        days: DayRange::inclusive(day("2026-01-01"), Some(day("2026-01-31"))).unwrap(),
        granularity: Granularity::Day,
        operator: None,
    };
    assert_eq!(db.api.usage(&question).await.unwrap().account.unwrap().currency, currency("AFN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_fenced_by_tenant_and_never_rewritten() {
    let db = TestDatabase::create().await;
    let mut new = new_account(account(1), "2026-10-01");
    new.legal_name = Some("Ghasi".into());
    enter(&db, &new).await;
    let mut login: tokio_postgres::Config = db.url.parse().unwrap();
    login.password(crate::support::PASSWORD);
    let (mut api, connection) = login.user("billing_test_api").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = ["accounts", "account_profiles", "account_parties"];
    let (own, other) = (tenant(1), tenant(2));
    for (setting, expected) in [
        ("SELECT 1".to_owned(), 0),
        (format!("SET LOCAL app.tenant_id = '{own}'"), 1),
        (format!("SET LOCAL app.tenant_id = '{other}'"), 0),
        ("SET LOCAL app.reach = 'platform'".to_owned(), 1),
    ] {
        for table in tables {
            let transaction = api.transaction().await.unwrap();
            transaction.batch_execute(&setting).await.unwrap();
            let seen = transaction.query_one(&format!("SELECT count(*) FROM billing.{table}"), &[]).await.unwrap();
            assert_eq!(seen.get::<_, i64>(0), expected, "{table} after {setting}");
        }
    }
    // Not even its own tenant lets the api write for another, and nobody changes what stands.
    let foreign = format!(
        "INSERT INTO billing.account_parties (account_id, tenant_id, effective_from, legal_name, address)
        VALUES ('{}', '{own}', '2026-10-01', 'X', '{{}}')",
        account(1)
    );
    let transaction = api.transaction().await.unwrap();
    transaction.batch_execute(&format!("SET LOCAL app.tenant_id = '{other}'")).await.unwrap();
    let refused = transaction.execute(&foreign, &[]).await.unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("42501"));
    transaction.rollback().await.unwrap();
    let (worker, connection) = login.user("billing_test_worker").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for table in tables {
        for statement in
            [format!("UPDATE billing.{table} SET tenant_id = '{other}'"), format!("DELETE FROM billing.{table}")]
        {
            for client in [&api, &worker] {
                let refused = client.execute(&statement, &[]).await.unwrap_err();
                assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{statement}");
            }
        }
    }
}
