//! What the outside must do for billing. One method is one transaction and is safe to repeat.
//!
//! Absent is `None`; an expected conflict is an outcome; [`PortError`] is infrastructure only.

mod accounts;
mod clock;
mod documents;
mod error;
mod invoices;
mod ledger;
mod prices;
mod usage_reader;

pub use accounts::Accounts;
pub use clock::Clock;
pub use documents::{DocumentStore, InvoiceRenderer, PutOutcome, RenderedDocument};
pub use error::PortError;
pub use invoices::{
    Billable, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceEventKind, InvoiceFilter, InvoicePage, InvoiceReader,
    InvoiceStore, InvoiceVoider, Outbox, OutboxEntry, PinRequest, RunCounts, RunResult, RunTotals,
};
pub use ledger::{RecordOutcome, Recorded, RerateOutcome, UncostedUsage, UsageLedger, WaitingUsage};
pub use prices::{
    AdminAction, BookStamp, ChangeOutcome, CostDraft, CostFilter, NewCost, NewPrice, Page, PriceAdmin, PriceBookCache,
    PriceBookStore, PriceFilter, Refusal, Snapshot,
};
pub use usage_reader::{AccountProfile, UsageAnswer, UsageReader};
