//! What customers see of their own: usage through the REST API, compared with the model to the millionth.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::cast::{Account, ENTERPRISE, LATECOMER, NAMELESS, NEGOTIATED, TWO_CURRENCIES};
use super::model::{Sums, World};
use super::rest::{self, Who};
use super::screen::{amount, count};
use super::stage::Stage;

/// The accounts that are shown; all are compared.
const SHOWN: [usize; 5] = [ENTERPRISE, LATECOMER, NEGOTIATED, TWO_CURRENCIES, NAMELESS];
const ACCOUNTS: &str = "/v1/admin/pricing/accounts";
/// How far a replica may be behind.
const REPLICA: Duration = Duration::from_secs(10);

/// Enters names and addresses for the invoices, but for one account.
pub(crate) async fn enter_names(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Names and addresses of the customers, through the REST API");
    let world = Arc::clone(&stage.world);
    let first_day = world.period.day(1);
    let mut entered = 0;
    for account in &world.accounts {
        if let Some(party) = &account.party {
            let body = json!({
                "legalName": party.name, "address": party.address, "taxId": party.tax_id, "effectiveFrom": first_day,
            });
            stage.rest.patch(Who::BillingAdmin, &format!("{ACCOUNTS}/{}", account.id), &body).await?;
            entered += 1;
        }
    }
    stage
        .screen
        .say("Their tiers and currencies were learned from the messages; what invoices print is entered by staff.");
    let what =
        format!("{entered} customers have a name, some in Dari and Pashto; one has none: its id will be printed");
    stage.screen.check(true, &what);
    Ok(())
}

/// Asks for every account's usage with that account's own token.
pub(crate) async fn ask_for_usage(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Usage, as each customer sees it through the REST API");
    let world = Arc::clone(&stage.world);
    stage.screen.say(&row("account", "tier", "messages", "segments", "amount"));
    let mut wrong = Vec::new();
    for (place, account) in world.accounts.iter().enumerate() {
        let expected = expected(stage, &world, place);
        let seen = stage.look(REPLICA, async |stage| usage(stage, account).await, |seen| *seen == expected).await?;
        if seen != expected {
            wrong.push(format!("{}: {seen:?} instead of {expected:?}", account.id));
        }
        for (currency, sums) in seen.iter().filter(|_| SHOWN.contains(&place)) {
            let name = account.party.as_ref().map_or(account.id.to_string(), |party| party.name.clone());
            let money = format!("{} {currency}", amount(sums.micros, 6));
            stage.screen.say(&row(&name, account.tier, &count(sums.messages), &count(sums.segments), &money));
        }
    }
    wrong.iter().for_each(|account| stage.screen.say(account));
    let what = format!("usage of all {} accounts is what the model says, to the millionth", world.accounts.len());
    stage.screen.check(wrong.is_empty(), &what);
    keep_apart(stage, &world).await
}

/// Another customer's usage does not exist; staff see it, with cost and margin.
async fn keep_apart(stage: &mut Stage, world: &World) -> Result<()> {
    let (one, other) = (&world.accounts[ENTERPRISE], &world.accounts[LATECOMER]);
    let path = path(world, other);
    let status = stage.rest.status(Who::Customer(one), Method::GET, &path, None).await?;
    stage.screen.check(status == 404, &format!("one customer's token asks for another's usage: {status}"));
    let seen = stage.rest.get(Who::Finance, &path).await?;
    let [price, cost, margin] = ["totalCustomerPrice", "totalOperatorCost", "margin"].map(|name| &seen["totals"][name]);
    let told = [price, cost, margin].map(|value| value.as_str().unwrap_or("?"));
    let what = format!("staff also see what operators charge: price {}, cost {}, margin {}", told[0], told[1], told[2]);
    stage.screen.check(!told.contains(&"?"), &what);
    Ok(())
}

fn path(world: &World, account: &Account) -> String {
    let (from, to) = world.period.ends();
    format!("/v1/billing/usage?accountId={}&from={from}&to={to}&granularity=month", account.id)
}

fn expected(stage: &Stage, world: &World, account: usize) -> Vec<(String, Sums)> {
    let bills = stage.model.bills();
    let of = |currency: &'static str| Some((currency.to_owned(), bills.get(&(account, currency))?.sums));
    let account = &world.accounts[account];
    in_order([Some(account.currency), account.also].into_iter().flatten().filter_map(of).collect())
}

/// By currency: which of two is the main one depends on which was recorded first.
fn in_order(mut usage: Vec<(String, Sums)>) -> Vec<(String, Sums)> {
    usage.sort_by(|(one, _), (other, _)| other.cmp(one));
    usage
}

/// Totals by currency.
async fn usage(stage: &Stage, account: &Account) -> Result<Vec<(String, Sums)>> {
    let answer = stage.rest.get(Who::Customer(account), &path(&stage.world, account)).await?;
    let totals = |one: &Value| -> Result<(String, Sums)> {
        let totals = &one["totals"];
        let sums = Sums {
            messages: rest::number(totals, "messageCount")?,
            segments: rest::number(totals, "segmentCount")?,
            micros: rest::amount(totals, "totalCustomerPrice", 6)?,
        };
        Ok((one["currency"].as_str().context("usage without a currency")?.to_owned(), sums))
    };
    match answer["currencies"].as_array() {
        Some(several) => Ok(in_order(several.iter().map(totals).collect::<Result<_>>()?)),
        // Nothing was ever used.
        None if answer["currency"].is_null() => Ok(Vec::new()),
        None => Ok(vec![totals(&answer)?]),
    }
}

fn row(name: &str, tier: &str, messages: &str, segments: &str, amount: &str) -> String {
    format!("{name:<38} {tier:<10} {messages:>10} {segments:>10} {amount:>24}")
}
