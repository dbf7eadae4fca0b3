//! What billing does, step by step: free functions over the ports that they use.

mod bill_account;
mod change_account;
mod issue_credit_note;
mod load_price_book;
mod query_usage;
mod rate_waiting;
mod record_usage;
mod recount_invoice;
mod replay_quarantined;

pub use bill_account::{BillingError, Finished, IssueTerms, draft_invoice, due, finish_invoice};
pub use change_account::{NewVersions, next_versions};
pub use issue_credit_note::issue_credit_note;
pub use load_price_book::{BookSource, load_price_book};
pub use query_usage::{QueryError, query_margins, query_usage};
pub use rate_waiting::{Swept, fill_missing_costs, rate_waiting};
pub use record_usage::{Delivery, Unreadable, prepare_batch, set_refused_aside};
pub use recount_invoice::{Recounted, recount_invoice};
pub use replay_quarantined::{Replayer, replay_requested};
