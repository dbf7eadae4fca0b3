//! An invoice is declared void, usage comes late, and the next run issues another in its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::cast::{ENTERPRISE, LATECOMER};
use super::database::Numbered;
use super::rest::{self, Who};
use super::screen::{amount, count, seconds};
use super::stage::Stage;
use super::{invoices, traffic};

/// Late messages of the account whose invoice is void, and of another.
const LATE: u64 = 250;
const WAITING: u64 = 40;
/// How far a replica may be behind.
const REPLICA: Duration = Duration::from_secs(10);

/// Void, late usage, a second run.
pub(crate) async fn run(stage: &mut Stage) -> Result<()> {
    stage.screen.step("An invoice is declared void and issued anew");
    let before = stage.database.numbered().await?;
    let account = stage.world.accounts[ENTERPRISE].id;
    let void = before.iter().find(|one| one.account == account).context("the account has no invoice")?;
    let old = declare_void(stage, void).await?;
    come_late(stage).await?;
    let begun = Instant::now();
    let code = stage.bill().await?;
    let what = format!("invoice-cron, once more: {} after {}", invoices::told(code), seconds(begun.elapsed()));
    stage.screen.check(code == Some(0), &what);
    compare(stage, &before, void, &old).await
}

/// The void invoice as the route answers it.
async fn declare_void(stage: &mut Stage, void: &Numbered) -> Result<Value> {
    let world = Arc::clone(&stage.world);
    let path = format!("/v1/admin/invoices/{}/void", void.id);
    let body = json!({ "reason": "Usage of one day was reported late; agreed with the customer." });
    let customer =
        stage.rest.status(Who::Customer(&world.accounts[ENTERPRISE]), Method::POST, &path, Some(&body)).await?;
    stage.screen.check(customer == 403, &format!("the customer tries to void {}: {customer}", void.number));
    let answer = stage.rest.post(Who::Finance, &path, &body).await?;
    let (status, by) = (rest::text(&answer, "status")?, rest::text(&answer, "voidedBy")?);
    stage.screen.check(status == "VOID", &format!("finance voids {}: {status} by {by}", void.number));
    let again = stage.rest.status(Who::Finance, Method::POST, &path, Some(&body)).await?;
    stage.screen.check(again == 409, &format!("finance voids it a second time: {again}"));
    Ok(answer)
}

/// Usage of the month that comes when it is billed already: of the void invoice's account, and of another.
async fn come_late(stage: &mut Stage) -> Result<()> {
    let (late, envelopes) = traffic::late(&stage.world, ENTERPRISE, LATE)?;
    stage.model.merge(&late);
    stage.publish(envelopes).await?;
    let (waiting, envelopes) = traffic::late(&stage.world, LATECOMER, WAITING)?;
    stage.open.merge(&waiting);
    stage.publish(envelopes).await?;
    stage.catch_up(|_| {}).await?;
    let what = format!("{LATE} late messages of that account, and {WAITING} of one whose invoice stands");
    stage.screen.check(true, &what);
    Ok(())
}

async fn compare(stage: &mut Stage, before: &[Numbered], void: &Numbered, old: &Value) -> Result<()> {
    let after = stage.database.numbered().await?;
    let unchanged = before.iter().all(|one| {
        let now = after.iter().find(|now| now.id == one.id);
        let status = if one.id == void.id { "VOID" } else { one.status.as_str() };
        now.is_some_and(|now| (&now.number, &now.sha256) == (&one.number, &one.sha256) && now.status == status)
    });
    let holds = unchanged && after.len() == before.len() + 1;
    stage.screen.check(holds, "one new invoice, and nothing else has changed: the run is safe to repeat");
    let Some(new) = after.iter().find(|one| before.iter().all(|old| old.id != one.id)) else { return Ok(()) };
    let account = &Arc::clone(&stage.world).accounts[ENTERPRISE];
    let path = format!("/v1/billing/invoices/{}", new.id);
    let look = async |stage: &Stage| stage.rest.get(Who::Customer(account), &path).await;
    let shown = stage.look(REPLICA, look, |shown| shown["status"] == "FINALIZED").await?;
    let holds = shown["replaces"].to_string().contains(&void.id.to_string());
    stage.screen.check(holds, &format!("{} names the one it replaces, {}", new.number, void.number));
    let (was, is) = (rest::number(old, "totalMessages")?, rest::number(&shown, "totalMessages")?);
    let (owed, owes) = (rest::amount(old, "subtotalAmount", 2)?, rest::amount(&shown, "subtotalAmount", 2)?);
    let expected = stage.model.bills().get(&(ENTERPRISE, account.currency)).copied().unwrap_or_default();
    let holds = was + LATE == is && is == expected.sums.messages && owes == expected.minor;
    let what = format!(
        "{} messages + {LATE} late = {}; {} {c} became {} {c}, as the model says",
        count(was),
        count(is),
        amount(owed, 2),
        amount(owes, 2),
        c = account.currency
    );
    stage.screen.check(holds, &what);
    let saved = invoices::save(stage, new).await?;
    stage.screen.check(saved, &format!("its document is {}.pdf", stage.documents.join(&new.number).display()));
    Ok(())
}
