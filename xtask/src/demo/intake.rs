//! The first half of the story: prices, a month of messages, and the price that was forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use super::cast::OPERATORS;
use super::rest::{Who, text};
use super::screen::{count, rate, seconds};
use super::stage::Stage;
use super::{deck, hostile, traffic};

const PRICES: &str = "/v1/admin/pricing";
const COSTS: &str = "/v1/admin/operator-costs";

/// Messages that may wait between the one who writes them and the one who publishes them.
const AHEAD: usize = 4_000;
/// How long unrated usage may take to be found and rated once its price is there.
const RATED_WITHIN: Duration = Duration::from_secs(30);

/// Enters prices and costs, but for the one that is forgotten.
pub(crate) async fn enter_prices(stage: &mut Stage) -> Result<()> {
    stage.screen.step("Prices and operator costs, through the REST API");
    let world = Arc::clone(&stage.world);
    for price in world.prices.iter() {
        // Keeps the places of the deck; replaced when it is entered.
        let id = if price.is_missing { uuid::Uuid::nil() } else { enter(stage, price).await? };
        stage.price_ids.push(id);
    }
    let costs = deck::costs(world.period);
    for cost in &costs {
        stage.rest.post(Who::BillingAdmin, COSTS, cost).await?;
    }
    let operators = OPERATORS.map(|(id, name, _)| format!("{name} {id}")).join(", ");
    let entered = world.prices.iter().filter(|price| !price.is_missing).count();
    stage.screen.say(&format!("operators   {operators}"));
    stage
        .screen
        .say("tiers       STARTER, GROWTH, ENTERPRISE, CUSTOM; one account with prices of its own; USD and AFN");
    stage.screen.check(true, &format!("{entered} prices and {} costs entered; one price was forgotten", costs.len()));
    Ok(())
}

/// Publishes the month while ingest is already at work.
pub(crate) async fn publish_month(stage: &mut Stage) -> Result<Instant> {
    let world = Arc::clone(&stage.world);
    stage.screen.step(&format!("A month of messages: {}", world.period.in_words()));
    stage.screen.say(&format!(
        "{} messages of {} accounts by day and night, from two kinds of producers; 1 % come twice, some are malformed \
         or\nhostile ({} kinds), some have no price",
        count(world.messages),
        world.accounts.len(),
        hostile::KINDS
    ));
    let begun = Instant::now();
    // About: how many come twice is drawn.
    let mut bar = stage.screen.bar("published", 0, world.messages + world.messages / 100);
    let (hand, envelopes) = mpsc::channel(AHEAD);
    let play = move || traffic::month(&world, |envelope| hand.blocking_send(envelope).ok().context("nobody publishes"));
    let played = tokio::task::spawn_blocking(play);
    let published = stage.stream.publish(envelopes, |number| bar.set(number)).await?;
    let took = bar.done();
    stage.rates.push(("published", format!("{}/s", count(rate(published, took)))));
    let (model, conflicts) = played.await.context("the messages were not written to their end")??;
    let holds = published == model.published;
    stage.screen.check(holds, &format!("the stream has acknowledged all {} publications", count(published)));
    stage.model = model;
    catch_up(stage, begun).await?;
    contradict(stage, conflicts).await?;
    Ok(begun)
}

async fn catch_up(stage: &mut Stage, begun: Instant) -> Result<()> {
    stage.screen.step("Ingest prices and records them, each exactly once");
    let (all, lag) = (stage.stream.received().await?, stage.stream.lag().await?);
    let mut bar = stage.screen.bar("recorded", all.saturating_sub(lag), all);
    stage.catch_up(|lag| bar.set(all.saturating_sub(lag))).await?;
    bar.done();
    let took = begun.elapsed();
    stage.rates.push(("recorded, from the first publication on", format!("{}/s", count(rate(all, took)))));
    stage.screen.check(true, &format!("no lag {} after the first publication", seconds(took)));
    Ok(())
}

/// Messages that say something else than one that stands; what was set aside, and what waits.
async fn contradict(stage: &mut Stage, conflicts: Vec<super::event::Envelope>) -> Result<()> {
    for _ in &conflicts {
        stage.model.count_quarantined("conflict");
    }
    stage.publish(conflicts).await?;
    stage.catch_up(|_| {}).await?;
    let set_aside = stage.database.quarantined().await?;
    let reasons: Vec<String> = set_aside.iter().map(|(reason, number)| format!("{reason} {number}")).collect();
    let expected = stage.model.quarantined.iter().map(|(reason, number)| ((*reason).to_owned(), *number)).collect();
    stage.screen.check(set_aside == expected, &format!("set aside, whole and with a reason: {}", reasons.join(", ")));
    let expected = stage.model.waiting;
    let waiting =
        stage.look(RATED_WITHIN, async |stage| stage.database.unrated().await, |seen| *seen == expected).await?;
    let what = format!("{} messages wait for the price that was forgotten; nothing of them is lost", count(waiting));
    stage.screen.check(waiting == expected, &what);
    Ok(())
}

/// Enters the forgotten price and sees the usage that waited for it rated.
pub(crate) async fn remember_price(stage: &mut Stage) -> Result<()> {
    stage.screen.step("The forgotten price, through the REST API");
    let world = Arc::clone(&stage.world);
    let place = world.prices.iter().position(|price| price.is_missing).context("no price was forgotten")?;
    let (price, waiting) = (&world.prices[place], stage.database.unrated().await?);
    stage.screen.say(&price.in_words());
    stage.price_ids[place] = enter(stage, price).await?;
    let mut bar = stage.screen.bar("rated", 0, waiting);
    let progress = |left: &u64| {
        bar.set(waiting.saturating_sub(*left));
        *left == 0
    };
    let left = stage.look(RATED_WITHIN, async |stage| stage.database.unrated().await, progress).await?;
    let took = bar.done();
    let what = format!("{} messages that had waited were rated within {}", count(waiting - left), seconds(took));
    stage.screen.check(left == 0, &what);
    stage.rates.push(("unrated to rated, once the price was there", seconds(took)));
    Ok(())
}

async fn enter(stage: &Stage, price: &deck::Price) -> Result<uuid::Uuid> {
    let made = stage.rest.post(Who::BillingAdmin, PRICES, &price.body(stage.world.period)).await?;
    text(&made, "pricingTableId")?.parse().context("the id of a price is no UUID")
}
