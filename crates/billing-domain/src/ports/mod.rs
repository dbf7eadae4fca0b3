//! What the outside must do for billing. One method is one transaction and is safe to repeat.
//!
//! Absent is `None`; an expected conflict is an outcome; [`PortError`] is infrastructure only.

mod account_admin;
mod accounts;
mod clock;
mod corrections;
mod credit_notes;
mod decks;
mod documents;
mod error;
mod invoices;
mod ledger;
mod log_position;
mod partitions;
mod prices;
mod pricing_reader;
mod proofs;
mod quarantine;
mod retention;
mod stream_gaps;
mod usage_reader;

pub use account_admin::{
    AccountAdmin, AccountChange, AccountField, AccountHistory, AccountOutcome, AccountRefusal, AccountSummary, Entered,
    Entry,
};
pub use accounts::Accounts;
pub use clock::Clock;
pub use corrections::{CorrectionDelta, CorrectionEffect, PriceCorrections};
pub use credit_notes::CreditNotes;
pub use decks::{DeckStore, PriceDecks};
pub use documents::{DocumentStore, InvoiceRenderer, PutOutcome, RenderedDocument};
pub use error::PortError;
pub use invoices::{
    Billable, DraftOutcome, DraftRequest, FinalizeOutcome, InvoiceEventKind, InvoiceFilter, InvoicePage, InvoiceReader,
    InvoiceStore, InvoiceVoider, Outbox, OutboxEntry, ParkedDraft, PinRequest, RunCounts, RunResult, RunTotals,
};
pub use ledger::{Late, RecordOutcome, Recorded, RerateOutcome, UncostedUsage, UsageLedger, WaitingUsage};
pub use log_position::{LogPosition, ReadOwnWrites};
pub use partitions::{DetachOutcome, EventPartition, EventPartitions};
pub use prices::{
    AdminAction, BookStamp, ChangeOutcome, CostDraft, CostFilter, NewCost, NewPrice, Page, PriceAdmin, PriceBookCache,
    PriceBookStore, PriceFilter, Refusal, Snapshot,
};
pub use pricing_reader::{
    PriceAsked, PricesFound, PricingReader, RatedFound, UnratedCount, UnratedFilter, UnratedGroup, UnratedKey,
    UnratedPage, UsageFound, WaitingFound,
};
pub use proofs::{InvoiceAudit, InvoiceProofs, UsageExport, UsageRows};
pub use quarantine::{
    HeldDetails, HeldMessage, HeldPage, HeldState, KEPT_BYTES_MAX, KeptBytes, Quarantine, QuarantineAdmin,
    QuarantineFilter, ReplayEnd, ReplayError, ReplayOutcome, ReplayRequest, ReplayTerms, ReplayedAs, Resolution,
};
pub use retention::{Purged, Retention, RetentionLimits};
pub use stream_gaps::{StreamCheck, StreamFloor, StreamGap, StreamWatch};
pub use usage_reader::{AccountProfile, MarginPage, UsageAnswer, UsageReader};
