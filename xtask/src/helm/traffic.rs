//! A little of everything that the metrics count: usage that is rated, unpriced, uncosted, sold below cost, published twice, or
//! no usage at all; questions, changes and refusals over REST.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::demo::rest::{Rest, Who};
use crate::stack::{Info, ServiceInfo};

const SUBJECT: &str = "billing.events";
const ROUND: Duration = Duration::from_millis(500);
const ACCOUNT: Uuid = Uuid::from_u128(0xb1);
const TENANT: Uuid = Uuid::from_u128(0xb0);

/// Until it is dropped, or fails.
pub(super) async fn keep_going(info: &Info, dir: PathBuf, service: ServiceInfo) -> Result<()> {
    let rest = Rest::new(dir, service)?;
    let client = async_nats::connect(&info.nats_urls).await.context("cannot connect to NATS")?;
    let stream = jetstream::new(client);
    let price = |operator: &str, unit: &str| {
        json!({"accountTier": "STARTER", "operatorId": operator, "direction": "MT", "pricingModel": "PER_SEGMENT",
            "unitPrice": unit, "currency": "USD", "effectiveFrom": "2026-01-01"})
    };
    rest.post(Who::BillingAdmin, "/v1/admin/pricing", &price("41201", "0.01")).await?;
    let cost = json!({"operatorId": "41201", "direction": "MT", "costPerSegment": "0.02", "currency": "USD", "effectiveFrom": "2026-01-01"});
    rest.post(Who::BillingAdmin, "/v1/admin/operator-costs", &cost).await?;
    for round in 0_u64.. {
        // A new price each time is a new book, which the cache or the database is asked for.
        let operator = format!("op-{round}");
        rest.post(Who::BillingAdmin, "/v1/admin/pricing", &price(&operator, "0.03")).await?;
        for operator in ["41201", operator.as_str(), "unpriced"] {
            publish(&stream, &event(operator)).await?;
        }
        let twice = event("41201");
        publish(&stream, &twice).await?;
        let mut conflict = twice.clone();
        conflict["segmentCount"] = json!(9);
        for again in [&twice, &conflict, &json!({"schemaVersion": "1"})] {
            publish(&stream, again).await?;
        }
        for path in ["/v1/billing/usage", "/v1/billing/invoices"] {
            let path = format!("{path}?accountId={ACCOUNT}");
            rest.status(Who::Finance, Method::GET, &path, None).await?;
        }
        let nothing = format!("/v1/billing/invoices/{}/download", Uuid::new_v4());
        rest.status(Who::Finance, Method::GET, &nothing, None).await?;
        rest.status(Who::Finance, Method::GET, "/v1/admin/pricing", None).await?;
        tokio::time::sleep(ROUND).await;
    }
    Ok(())
}

fn event(operator: &str) -> Value {
    json!({"schemaVersion": "1", "messageId": Uuid::new_v4(), "tenantId": TENANT, "accountId": ACCOUNT, "accountTier": "STARTER",
        "operatorId": operator, "direction": "MT", "segmentCount": 1, "currency": "USD", "chargedAt": Timestamp::now().to_string(),
        "dlrStatus": "DELIVERED"})
}

/// Each publication has an id of its own, so that the stream does not drop the second of two.
async fn publish(stream: &jetstream::Context, event: &Value) -> Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, Uuid::new_v4().to_string().as_str());
    headers.insert("X-Tenant-Id", TENANT.to_string().as_str());
    let taken =
        stream.publish_with_headers(SUBJECT, headers, event.to_string().into()).await.context("cannot publish")?;
    taken.await.context("the stream did not take a message")?;
    Ok(())
}
