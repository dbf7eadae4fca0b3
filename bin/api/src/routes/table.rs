//! The one table of routes: method, path, scope and reach. What stands here is served, described in the OpenAPI document
//! and tested; nothing else can be.

use std::fmt::Write as _;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;

use super::access::{Reach, Scope};
use super::call::Call;
use super::document::Operation;
use super::{
    accounts, corrections, decks, health, invoices, margins, operator_costs, pages, pricing, pricing_questions,
    quarantine, usage,
};
use crate::http::problem::Problem;
use crate::services::{Services, Store};

/// What a handler comes to.
pub(crate) type Answer = LocalBoxFuture<'static, Result<HttpResponse, Problem>>;

/// Who may come in, and who answers.
pub(crate) enum Access<S: Store> {
    /// Everyone, without a token.
    Open(fn(&Services<S>, &HttpRequest) -> Result<HttpResponse, Problem>),
    /// Callers with the scope and a role that reaches as far.
    Guarded(Scope, Reach, fn(Call<S>) -> Answer),
}

/// One row of the table.
pub(crate) struct Route<S: Store> {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access<S>,
    pub(crate) document: fn() -> Operation,
}

/// Every route of the service.
pub(crate) fn table<S: Store>() -> Vec<Route<S>> {
    use Access::{Guarded, Open};
    use Reach::{Account, Finance, Platform};
    use Scope::{BillingAdmin, BillingRead, PlatformFinance};

    let row = |method, path, access, document| Route { method, path, access, document };
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    #[rustfmt::skip]
    let rows = vec![
        row(get.clone(), "/health/live", Open(|_, _| Ok(health::live())), health::live_document),
        row(get.clone(), "/health/ready", Open(|services, _| Ok(health::ready(services))), health::ready_document),
        row(get.clone(), "/openapi.json", Open(|services, _| Ok(pages::open_api(services))), pages::open_api_document),
        row(get.clone(), "/docs", Open(|services, _| Ok(pages::docs(services))), pages::docs_document),
        row(get.clone(), "/problems/{id}", Open(|_, request| pages::problem(request)), pages::problem_document),

        row(get.clone(), "/v1/billing/usage", Guarded(BillingRead, Account, |call| Box::pin(usage::show(call))), usage::document),
        row(get.clone(), "/v1/billing/invoices", Guarded(BillingRead, Account, |call| Box::pin(invoices::list(call))), invoices::listing),
        row(get.clone(), "/v1/billing/invoices/{id}", Guarded(BillingRead, Account, |call| Box::pin(invoices::show(call))), invoices::showing),
        row(get.clone(), "/v1/billing/invoices/{id}/download", Guarded(BillingRead, Account, |call| Box::pin(invoices::download(call))), invoices::downloading),
        row(get.clone(), "/v1/billing/invoices/{id}/proof", Guarded(BillingRead, Account, |call| Box::pin(invoices::prove(call))), invoices::proving),
        row(get.clone(), "/v1/billing/invoices/{id}/usage.csv", Guarded(BillingRead, Account, |call| Box::pin(invoices::export_usage(call))), invoices::exporting_usage),
        row(post.clone(), "/v1/admin/invoices/{id}/void", Guarded(PlatformFinance, Finance, |call| Box::pin(invoices::void(call))), invoices::voiding),

        row(get.clone(), "/v1/admin/pricing", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing::list(call))), pricing::listing),
        row(post.clone(), "/v1/admin/pricing", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing::create(call))), pricing::creating),
        row(get.clone(), "/v1/admin/pricing/explain", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing_questions::explain(call))), pricing_questions::explaining),
        row(get.clone(), "/v1/admin/pricing/resolve", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing_questions::resolve(call))), pricing_questions::resolving),
        row(get.clone(), "/v1/admin/pricing/unrated", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing_questions::list_unrated(call))), pricing_questions::listing_unrated),
        row(get.clone(), corrections::PATH, Guarded(BillingAdmin, Platform, |call| Box::pin(corrections::list(call))), corrections::listing),
        row(post.clone(), corrections::PATH, Guarded(BillingAdmin, Platform, |call| Box::pin(corrections::create(call))), corrections::creating),
        row(get.clone(), "/v1/admin/pricing/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing::show(call))), pricing::showing),
        row(patch.clone(), "/v1/admin/pricing/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing::change(call))), pricing::changing),
        row(delete.clone(), "/v1/admin/pricing/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(pricing::end(call))), pricing::ending),

        row(get.clone(), quarantine::PATH, Guarded(BillingAdmin, Platform, |call| Box::pin(quarantine::list(call))), quarantine::listing),
        row(get.clone(), "/v1/admin/pricing/quarantine/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(quarantine::show(call))), quarantine::showing),
        row(post.clone(), "/v1/admin/pricing/quarantine/{id}/replay", Guarded(BillingAdmin, Platform, |call| Box::pin(quarantine::replay(call))), quarantine::replaying),
        row(post.clone(), "/v1/admin/pricing/quarantine/{id}/discard", Guarded(BillingAdmin, Platform, |call| Box::pin(quarantine::discard(call))), quarantine::discarding),

        row(get.clone(), accounts::PATH, Guarded(BillingAdmin, Platform, |call| Box::pin(accounts::list(call))), accounts::listing),
        row(get.clone(), "/v1/admin/pricing/accounts/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(accounts::show(call))), accounts::showing),
        row(patch.clone(), "/v1/admin/pricing/accounts/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(accounts::change(call))), accounts::changing),

        row(post.clone(), "/v1/admin/pricing/import", Guarded(BillingAdmin, Platform, |call| Box::pin(decks::import_prices(call))), decks::importing_prices),
        row(get.clone(), "/v1/admin/pricing/export", Guarded(BillingAdmin, Platform, |call| Box::pin(decks::export_prices(call))), decks::exporting_prices),
        row(post.clone(), "/v1/admin/operator-costs/import", Guarded(BillingAdmin, Platform, |call| Box::pin(decks::import_costs(call))), decks::importing_costs),
        row(get.clone(), "/v1/admin/operator-costs/export", Guarded(BillingAdmin, Platform, |call| Box::pin(decks::export_costs(call))), decks::exporting_costs),

        row(get.clone(), margins::PATH, Guarded(BillingAdmin, Platform, |call| Box::pin(margins::list(call))), margins::listing),
        row(get.clone(), "/v1/admin/operator-costs", Guarded(BillingAdmin, Platform, |call| Box::pin(operator_costs::list(call))), operator_costs::listing),
        row(post, "/v1/admin/operator-costs", Guarded(BillingAdmin, Platform, |call| Box::pin(operator_costs::create(call))), operator_costs::creating),
        row(get, "/v1/admin/operator-costs/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(operator_costs::show(call))), operator_costs::showing),
        row(patch, "/v1/admin/operator-costs/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(operator_costs::change(call))), operator_costs::changing),
        row(delete, "/v1/admin/operator-costs/{id}", Guarded(BillingAdmin, Platform, |call| Box::pin(operator_costs::end(call))), operator_costs::ending),
    ];
    rows
}

/// The table as text, a line for each route.
pub(crate) fn print<S: Store>(table: &[Route<S>]) -> String {
    let mut text = format!("{:<7} {:<41} {:<17} REACH\n", "METHOD", "PATH", "SCOPE");
    for route in table {
        let (scope, reach) = match &route.access {
            Access::Open(_) => ("-", "everyone".to_owned()),
            Access::Guarded(scope, reach, _) => (scope.name(), reach.to_string()),
        };
        let _ = writeln!(text, "{:<7} {:<41} {scope:<17} {reach}", route.method.as_str(), route.path);
    }
    text
}
