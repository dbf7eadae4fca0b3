//! `GET /v1/admin/pricing/unrated`: what waits for a price or for its account, by key.

use actix_web::HttpResponse;
use billing_domain::ports::{UnratedCount, UnratedFilter};
use billing_domain::{AccountId, OperatorId};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::TAG;
use super::explain::reason_name;
use crate::http::answer;
use crate::http::fields::uuid;
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::document::{self, Operation};
use crate::routes::list::Place;
use crate::services::Store;

/// Where the list is.
const PATH: &str = "/v1/admin/pricing/unrated";

/// The messages that wait under one key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnratedGroupView {
    /// `NO_PRICE` or `UNKNOWN_ACCOUNT`.
    #[schema(example = "NO_PRICE")]
    reason: &'static str,
    /// Whose.
    account_id: Uuid,
    /// The tenant, as far as it is known.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    /// The tier that the messages name; null: the account's profile says it.
    #[schema(required = true, example = "GROWTH")]
    account_tier: Option<String>,
    /// The operator that carried them.
    #[schema(example = "41220")]
    operator_id: String,
    /// `MT` or `MO`.
    #[schema(example = "MT")]
    direction: &'static str,
    /// The currency that the messages name; null: the account's profile says it.
    #[schema(required = true, example = "USD")]
    currency: Option<String>,
    /// Messages; 1000000 stands for more.
    message_count: u64,
    /// The first `chargedAt`.
    #[schema(format = DateTime)]
    oldest_charged_at: String,
    /// The last.
    #[schema(format = DateTime)]
    newest_charged_at: String,
    /// Whole seconds from the first `chargedAt` until now.
    age_seconds: i64,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnratedList {
    /// By account, operator, direction and currency.
    data: Vec<UnratedGroupView>,
    /// Where to go on; null on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A page of what waits.
pub(crate) async fn list_unrated<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let place = Place::<String>::read(PATH, &call, &mut query)?;
    let filter = UnratedFilter {
        account: query.optional("accountId", uuid).map(AccountId),
        operator: query.optional("operatorId", OperatorId::new),
    };
    query.finish(Some(()))?;
    let (account, after, limit) = (filter.account, place.after.clone(), place.limit);
    let list = async move |store: S| store.unrated(&filter, after.as_deref(), limit).await;
    let page = call.services.run(list).await?;
    call.note_read(account, "unrated usage").await?;
    let data = page.rows.iter().map(|row| UnratedGroupView::of(row, call.now)).collect();
    answer::ok(&UnratedList { data, next_cursor: place.next(page.next) })
}

impl UnratedGroupView {
    fn of(count: &UnratedCount, now: Timestamp) -> Self {
        let (group, key) = (&count.group, &count.group.key);
        Self {
            reason: reason_name(key.reason),
            account_id: key.account.0,
            tenant_id: key.tenant.map(|tenant| tenant.0),
            account_tier: key.tier.as_ref().map(ToString::to_string),
            operator_id: key.operator.to_string(),
            direction: key.direction.name(),
            currency: key.currency.map(|currency| currency.to_string()),
            message_count: count.messages,
            oldest_charged_at: group.oldest.to_string(),
            newest_charged_at: group.newest.to_string(),
            age_seconds: now.duration_since(group.oldest).as_secs().max(0),
        }
    }
}

/// `GET /v1/admin/pricing/unrated`.
pub(crate) fn listing_unrated() -> Operation {
    let group = UnratedGroupView {
        reason: "NO_PRICE",
        account_id: Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_0001),
        tenant_id: Some(Uuid::from_u128(0x5f0c_2b1e_0000_4000_8000_0000_0000_00aa)),
        account_tier: Some("GROWTH".into()),
        operator_id: "41220".into(),
        direction: "MT",
        currency: Some("USD".into()),
        message_count: 1_250,
        oldest_charged_at: "2026-10-05T08:00:00Z".into(),
        newest_charged_at: "2026-10-05T09:00:00Z".into(),
        age_seconds: 5_400,
    };
    Operation::new("listUnrated", TAG, "What waits for a price")
        .says(
            "Messages that wait unrated, grouped by what a price would have to be for. They are rated by themselves within \
             30 s of a price that covers them, or of their account becoming known. The list may be about 2 s old.",
        )
        .parameter("accountId", document::uuid(), "Of this account.")
        .parameter("operatorId", document::operator_id(), "Of this operator.")
        .paged()
        .answers(200, "A page of keys.", &UnratedList { data: vec![group], next_cursor: None })
        .refuses(&[Kind::Malformed, Kind::Invalid])
}
