//! Prices and operator costs: the book for rating, and the changes that staff make.

mod book;
mod change;
mod correct;
mod corrections;
mod costs;
mod deck;
mod explain;
mod list;
mod model;
mod resolve;
mod rows;

use billing_domain::ports::{
    AdminAction, BookStamp, ChangeOutcome, CostDraft, CostFilter, NewCost, NewPrice, Page, PortError, PriceAdmin,
    PriceBookStore, PriceFilter,
};
use billing_domain::{CostId, Day, OperatorCost, Price, PriceBook, PriceId};
use uuid::Uuid;

use crate::Postgres;
use crate::landed::Landed;
use crate::transaction::Ended;

pub(crate) use corrections::{corrections_before, corrections_of};
pub(crate) use list::by_id;

impl PriceBookStore for Postgres {
    async fn stamp(&self) -> Result<BookStamp, PortError> {
        Ok(self.write(&book::ReadStamp).await?)
    }

    async fn book(&self) -> Result<PriceBook, PortError> {
        Ok(self.write(&book::LoadBook).await?)
    }

    async fn pin_snapshot(&self, version: i64, sha256: [u8; 32]) -> Result<(), PortError> {
        Ok(self.write(&book::PinSnapshot { version, sha256 }).await?)
    }
}

impl PriceAdmin for Postgres {
    async fn prices(&self, filter: &PriceFilter, after: Option<Uuid>, limit: u32) -> Result<Page<Price>, PortError> {
        Ok(self.read(&list::ListPrices { filter, after, limit }).await?)
    }

    async fn price(&self, id: PriceId) -> Result<Option<Price>, PortError> {
        Ok(self.write(&list::FindPrice(id)).await?)
    }

    async fn create_price(&self, new: &NewPrice, action: &AdminAction) -> Result<ChangeOutcome<Price>, PortError> {
        outcome(self.write(&change::CreatePrice { new, action }).await)
    }

    async fn supersede_price(
        &self,
        based_on: &Price,
        new: &NewPrice,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        outcome(self.write(&change::SupersedePrice { based_on, new, action }).await)
    }

    async fn end_price(
        &self,
        id: PriceId,
        seen: Option<&Price>,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<Price>, PortError> {
        outcome(self.write(&change::EndPrice { id, seen, today, action, landed: Landed::default() }).await)
    }

    async fn costs(
        &self,
        filter: &CostFilter,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Page<OperatorCost>, PortError> {
        Ok(self.read(&list::ListCosts { filter, after, limit }).await?)
    }

    async fn cost(&self, id: CostId) -> Result<Option<OperatorCost>, PortError> {
        Ok(self.write(&list::FindCost(id)).await?)
    }

    async fn create_cost(&self, new: &NewCost, action: &AdminAction) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        outcome(self.write(&costs::CreateCost { new, action }).await)
    }

    async fn supersede_cost(
        &self,
        based_on: &OperatorCost,
        new: &CostDraft,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        outcome(self.write(&costs::SupersedeCost { based_on, new, action }).await)
    }

    async fn end_cost(
        &self,
        id: CostId,
        seen: Option<&OperatorCost>,
        today: Day,
        action: &AdminAction,
    ) -> Result<ChangeOutcome<OperatorCost>, PortError> {
        outcome(self.write(&costs::EndCost { id, seen, today, action, landed: Landed::default() }).await)
    }
}

pub(crate) fn outcome<T>(ended: Result<T, Ended>) -> Result<ChangeOutcome<T>, PortError> {
    match ended {
        Ok(row) => Ok(ChangeOutcome::Done(row)),
        Err(Ended::Refused(refusal)) => Ok(ChangeOutcome::Refused(refusal)),
        Err(Ended::Failed(error)) => Err(error),
    }
}
