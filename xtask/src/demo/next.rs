//! What to try on a demo that was kept.

use anyhow::Result;

use super::cast::ENTERPRISE;
use super::rest::Who;
use super::stage::Stage;
use crate::stack::Info;

/// Prints addresses, a token, and commands that work.
pub(crate) async fn print(stage: &Stage, info: &Info) -> Result<()> {
    let (url, screen) = (stage.rest.url(), &stage.screen);
    let (from, to) = stage.world.period.ends();
    let account = stage.world.accounts[ENTERPRISE].id;
    screen.say(&screen.bold("\nThe stack stays up. What to try next:"));
    screen.say(&format!("api         {url}   (its documentation: {url}/docs)"));
    if let Some(service) = &info.service {
        screen.say(&format!("metrics     {}  {}", service.api_metrics_url, service.ingest_metrics_url));
    }
    screen.say(&format!("the rest    {}", stage.stack.join("stack.json").display()));
    screen.say("\n# A token of finance, good for two hours:");
    screen.say(&format!("TOKEN={}", stage.rest.token(Who::Finance)?));
    let curl = "curl -s -H \"Authorization: Bearer $TOKEN\"";
    screen.say("\n# Usage of an account, day by day:");
    screen.say(&format!("{curl} '{url}/v1/billing/usage?accountId={account}&from={from}&to={to}&granularity=day'"));
    screen.say("\n# Its invoices, the void one among them:");
    screen.say(&format!("{curl} '{url}/v1/billing/invoices?accountId={account}'"));
    if let Some(invoice) = stage.database.numbered().await?.last() {
        screen.say(&format!("\n# The document of {}:", invoice.number));
        let path = format!("{url}/v1/billing/invoices/{}/download", invoice.id);
        screen.say(&format!("{curl} -H 'Accept: application/pdf' -o {}.pdf '{path}'", invoice.number));
    }
    screen.say("\n# When you have seen enough:\ncargo xtask down --demo");
    Ok(())
}
