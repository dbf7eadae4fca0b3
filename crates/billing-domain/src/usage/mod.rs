//! Usage: what the gateway reported, who it belongs to, whether it was seen before, and its sums.

mod account;
mod bucket;
mod claim;
mod event;
mod intake;
mod margin;
mod redaction;
mod report;

pub use account::{AccountDirectory, AccountRecord, Observation, ProfileSource, ProfileVersion};
pub use bucket::{BucketKey, BucketSums, Folded, fold};
pub use claim::{Claim, ClaimVerdict, Fingerprint, judge};
pub use event::{Direction, DlrStatus, Receipt, ReportedUsage, SegmentCount, SegmentCountError, UsageEvent};
pub use intake::{
    Admitted, IntakeError, QuarantineReason, QuarantinedMessage, RatedUsage, UnratedReason, UnratedUsage, UsageBatch,
    admit, check_age, claims_end, observation,
};
pub use margin::{
    MarginGrouping, MarginKey, MarginPlace, MarginQuestion, MarginRate, MarginRow, MarginSums, MarginTotal, UsagePart,
};
pub use redaction::redacted;
pub use report::{Granularity, Period, ReportError, UsageCell, UsageFigures, UsageQuestion, UsageReport, summarise};

#[cfg(test)]
mod tests;
