//! A good request of each route of the table: its path, its query and its body, about things that have these ids.

use serde_json::json;
use uuid::Uuid;

/// What the requests are about.
pub(crate) struct Ids {
    pub(crate) tenant: Uuid,
    pub(crate) account: Uuid,
    pub(crate) invoice: Uuid,
    pub(crate) price: Uuid,
    pub(crate) cost: Uuid,
    pub(crate) message: Uuid,
    pub(crate) quarantined: i64,
}

/// A request without a token.
pub(crate) struct Sample {
    pub(crate) uri: String,
    /// Media type and bytes.
    pub(crate) body: Option<(&'static str, String)>,
}

impl Ids {
    /// Of nothing that any test has made.
    pub(crate) fn of_nothing() -> Self {
        let id = Uuid::from_u128(9);
        Self { tenant: id, account: id, invoice: id, price: id, cost: id, message: id, quarantined: 9 }
    }

    /// A path of the table with the id of what it is about.
    pub(crate) fn path(&self, path: &str) -> String {
        path.replace("{id}", &self.of(path))
    }

    fn of(&self, path: &str) -> String {
        let kinds = [
            ("/quarantine/{id}", self.quarantined.to_string()),
            ("/accounts/{id}", self.account.to_string()),
            ("/invoices/{id}", self.invoice.to_string()),
            ("/operator-costs/{id}", self.cost.to_string()),
            ("/pricing/{id}", self.price.to_string()),
            ("/problems/{id}", "invalid".to_owned()),
        ];
        kinds.into_iter().find(|(kind, _)| path.contains(kind)).map(|(_, id)| id).unwrap_or_default()
    }
}

/// What the route takes.
pub(crate) fn sample(method: &str, path: &str, ids: &Ids) -> Sample {
    let query = match path {
        "/v1/billing/usage" => format!("?accountId={}&from=2026-09-01&to=2026-10-03", ids.account),
        "/v1/admin/pricing/explain" => format!("?messageId={}", ids.message),
        "/v1/admin/pricing/resolve" => "?accountTier=GROWTH&operatorId=41220&direction=MT&currency=USD".to_owned(),
        path if path.ends_with("/import") => "?dryRun=false".to_owned(),
        _ => String::new(),
    };
    Sample { uri: format!("{}{query}", ids.path(path)), body: body(method, path, ids) }
}

fn body(method: &str, path: &str, ids: &Ids) -> Option<(&'static str, String)> {
    let from = "2026-11-01";
    let body = match (method, path) {
        ("GET" | "DELETE", _) => return None,
        ("POST", "/v1/admin/pricing/import") => {
            let head = "accountTier,operatorId,direction,pricingModel,unitPrice,currency,effectiveFrom";
            return Some(("text/csv", format!("{head}\nDECK,*,MT,PER_SEGMENT,0.01,USD,{from}\n")));
        }
        ("POST", "/v1/admin/operator-costs/import") => {
            let head = "operatorId,direction,costPerSegment,currency,effectiveFrom";
            return Some(("text/csv", format!("{head}\ndeck,MT,0.01,USD,{from}\n")));
        }
        ("POST", "/v1/admin/pricing") => json!({
            "accountTier": "SAMPLE", "operatorId": "*", "direction": "MT", "pricingModel": "PER_SEGMENT",
            "unitPrice": "0.0125", "currency": "USD", "effectiveFrom": from,
        }),
        ("POST", "/v1/admin/operator-costs") => json!({
            "operatorId": "sample", "direction": "MT", "costPerSegment": "0.0085", "currency": "USD",
            "effectiveFrom": from,
        }),
        ("POST", "/v1/admin/pricing/corrections") => json!({
            "pricingTableId": ids.price, "effectiveFrom": "2026-09-01", "effectiveTo": "2026-10-10",
            "unitPrice": "0.01", "reason": "typed wrongly",
        }),
        ("POST", "/v1/admin/invoices/{id}/void") => json!({"reason": "a sample"}),
        ("POST", "/v1/admin/pricing/quarantine/{id}/replay") => json!({}),
        ("POST", "/v1/admin/pricing/quarantine/{id}/discard") => json!({"reason": "a sample"}),
        ("PATCH", "/v1/admin/pricing/{id}") => json!({"unitPrice": "0.02"}),
        ("PATCH", "/v1/admin/operator-costs/{id}") => json!({"costPerSegment": "0.02"}),
        ("PATCH", "/v1/admin/pricing/accounts/{id}") => json!({
            "tenantId": ids.tenant, "accountTier": "GROWTH", "currency": "USD", "legalName": "A",
        }),
        _ => panic!("{method} {path} has no sample: write one"),
    };
    Some(("application/json", body.to_string()))
}
