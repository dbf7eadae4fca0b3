//! `…/import` and `…/export` of prices and of operator costs: a deck, as a CSV file, in and out. An import shows what it
//! would do unless it is told to do it, and then does all of it or nothing.

mod document;
mod lines;
mod sheet;
mod view;

use actix_web::HttpResponse;
use billing_domain::ports::{CostFilter, DeckStore, LogPosition, PortError, PriceFilter};
use billing_domain::pricing::PriceTerms;
use billing_domain::pricing::deck::{CostTerms, Deck, DeckEntry, DeckPrice};
use billing_domain::{AccountId, Currency, OperatorCost, OperatorId, Tier};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::http::answer;
use crate::http::csv::Cell;
use crate::http::fields::{day, one_of, uuid};
use crate::http::problem::{Kind, Problem};
use crate::routes::call::Call;
use crate::routes::list::flag;
use crate::routes::outcome::done;
use crate::routes::spreadsheet;
use crate::routes::terms::DIRECTIONS;
use crate::services::Store;

pub(crate) use document::{exporting_costs, exporting_prices, importing_costs, importing_prices};
use sheet::{SheetEntry, SheetReader};
use view::DeckView;

/// Rows that an export asks the store for at once.
const PAGE: u32 = 5_000;

/// What a page shows in a deck, and the place after which more follow. A deck is made to be imported again, so it is read where it
/// will be written: an older one would take back what was changed meanwhile.
type Shown<T> = Result<(Vec<T>, Option<Uuid>), PortError>;

/// Shows or does what a deck of prices says.
pub(crate) async fn import_prices<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    import::<S, DeckPrice>(call, Kind::PriceOverlap).await
}

/// Shows or does what a deck of operator costs says.
pub(crate) async fn import_costs<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    import::<S, CostTerms>(call, Kind::CostOverlap).await
}

async fn import<S, E>(mut call: Call<S>, overlap: Kind) -> Result<HttpResponse, Problem>
where
    S: Store + DeckStore<E>,
    E: SheetEntry,
{
    let mut query = call.query()?;
    let is_dry_run = query.optional("dryRun", flag).unwrap_or(true);
    query.finish(Some(()))?;
    let services = call.services.clone();
    let _turn = services.imports.try_acquire().map_err(|_| Kind::Overloaded)?;
    let (mut reader, mut digest) = (SheetReader::<E>::default(), Sha256::new());
    let read = |chunk: &[u8]| {
        digest.update(chunk);
        reader.read(chunk)
    };
    call.csv_body(read).await?;
    let sheet = reader.finish()?;
    let sha256: [u8; 32] = digest.finalize().into();
    let action = call.action_once(&sha256)?;
    let mut refused = sheet.refused;
    let is_to_be_applied = !is_dry_run && refused.count == 0;
    let deck = Deck { id: Uuid::now_v7(), sha256, lines: sheet.lines };
    let report = if is_to_be_applied {
        let outcome = services.run(async move |store: S| store.apply(&deck, &action).await).await?;
        done(outcome, overlap)?
    } else {
        services.run(async move |store: S| store.preview(&deck).await).await?
    };
    for line in &report.plan.refused {
        refused.add(line.line, "effectiveFrom", line.why.to_string());
    }
    refused.sort();
    if !is_dry_run && refused.count > 0 {
        return Err(refused.into_problem(sheet.count));
    }
    answer::ok(&DeckView::of(&report, sheet.count, sha256, is_dry_run, &refused))
}

/// The prices as a deck.
pub(crate) async fn export_prices<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let filter = PriceFilter {
        tier: query.optional("accountTier", Tier::new),
        operator: query.optional("operatorId", lines::operator),
        account: query.optional("accountId", uuid).map(AccountId),
        active_on: query.optional("activeOn", day),
    };
    query.finish(Some(()))?;
    let left_out = left_out(&call, &filter).await?;
    let first = filter.clone();
    let page = call.services.run(async move |store: S| prices_shown(store, first, None).await).await?;
    let file = as_file::<DeckPrice>("prices.csv");
    let response = file.answer(&call, page, move |store, after| prices_shown(store, filter.clone(), Some(after)))?;
    Ok(answer::leaving_out(left_out, response))
}

/// How many prices a deck cannot show. Said before the first line, so they are counted before; a price that is made
/// meanwhile may be on one side or the other.
async fn left_out<S: Store>(call: &Call<S>, filter: &PriceFilter) -> Result<usize, Problem> {
    let (mut count, mut after) = (0, None);
    loop {
        let filter = filter.clone();
        let page = call
            .services
            .run(async move |store: S| store.seeing(LogPosition::LATEST).prices(&filter, after, PAGE).await)
            .await?;
        let standing = page.rows.iter().filter(|price| price.cancelled_at.is_none());
        count += standing.filter(|price| !DeckPrice::fits_a_line(&price.terms)).count();
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

async fn prices_shown<S: Store>(store: S, filter: PriceFilter, after: Option<Uuid>) -> Shown<PriceTerms> {
    let page = store.seeing(LogPosition::LATEST).prices(&filter, after, PAGE).await?;
    let standing = page.rows.into_iter().filter(|price| price.cancelled_at.is_none()).map(|price| price.terms);
    Ok((standing.filter(DeckPrice::fits_a_line).collect(), page.next))
}

/// The operator costs as a deck.
pub(crate) async fn export_costs<S: Store>(call: Call<S>) -> Result<HttpResponse, Problem> {
    let mut query = call.query()?;
    let filter = CostFilter {
        operator: query.optional("operatorId", OperatorId::new),
        direction: query.optional("direction", one_of(&DIRECTIONS)),
        currency: query.optional("currency", Currency::new),
        active_on: query.optional("activeOn", day),
    };
    query.finish(Some(()))?;
    let first = filter.clone();
    let page = call.services.run(async move |store: S| costs_shown(store, first, None).await).await?;
    let file = as_file::<CostTerms>("operator-costs.csv");
    let response = file.answer(&call, page, move |store, after| costs_shown(store, filter.clone(), Some(after)))?;
    Ok(answer::leaving_out(0, response))
}

async fn costs_shown<S: Store>(store: S, filter: CostFilter, after: Option<Uuid>) -> Shown<CostTerms> {
    let page = store.seeing(LogPosition::LATEST).costs(&filter, after, PAGE).await?;
    let terms =
        |cost: OperatorCost| CostTerms { key: cost.key, cost_per_segment: cost.cost_per_segment, days: cost.days };
    Ok((page.rows.into_iter().filter(|cost| cost.cancelled_at.is_none()).map(terms).collect(), page.next))
}

/// A deck, line by line.
fn as_file<E: SheetEntry>(name: &str) -> spreadsheet::Sheet<E::Terms> {
    spreadsheet::Sheet {
        file_name: name.into(),
        columns: E::COLUMNS.iter().map(|column| column.name).collect(),
        fields: |terms| Ok(E::fields(terms).into_iter().map(Cell::Text).collect()),
    }
}
