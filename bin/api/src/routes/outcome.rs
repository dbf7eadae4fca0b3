//! What a change of prices or costs came to, as an answer.

use billing_domain::ports::{ChangeOutcome, Refusal};

use crate::http::problem::{Kind, Problem};

/// How often a change is tried that others are always faster than.
pub(super) const MERGES_MAX: u32 = 4;

/// What has no condition is made of what is there now: read again, and based on that. After [`MERGES_MAX`] the caller is
/// told to come back.
pub(super) fn is_to_be_merged<T>(outcome: &ChangeOutcome<T>, is_conditional: bool) -> bool {
    !is_conditional && matches!(outcome, ChangeOutcome::Refused(Refusal::Changed))
}

/// Others were faster each time.
pub(super) fn never_merged() -> Problem {
    Problem::caused(Kind::Unavailable, "what a change was based on was changed each time before it")
}

/// What was done, or why it was refused. `overlap` is the kind for the resource at hand.
///
/// # Errors
/// 404, 409, 412 or 422.
pub(super) fn done<T>(outcome: ChangeOutcome<T>, overlap: Kind) -> Result<T, Problem> {
    let kind = match outcome {
        ChangeOutcome::Done(row) => return Ok(row),
        ChangeOutcome::Refused(Refusal::NotFound) => Kind::NotFound,
        ChangeOutcome::Refused(Refusal::Overlap) => overlap,
        ChangeOutcome::Refused(Refusal::RatedUsage) => Kind::RatedUsage,
        ChangeOutcome::Refused(Refusal::Ended) => Kind::Ended,
        ChangeOutcome::Refused(Refusal::Changed) => Kind::PreconditionFailed,
        ChangeOutcome::Refused(Refusal::KeyReused) => Kind::KeyReused,
        ChangeOutcome::Refused(Refusal::KeyInUse) => Kind::KeyInUse,
        // Named by field where corrections are made.
        ChangeOutcome::Refused(Refusal::Correction(_)) => Kind::Invalid,
        // Told where replays are asked for.
        ChangeOutcome::Refused(Refusal::Replay(_)) => Kind::Internal,
    };
    Err(kind.into())
}
