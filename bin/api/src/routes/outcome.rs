//! What a change of prices or costs came to, as an answer.

use billing_domain::ports::{ChangeOutcome, Refusal};

use crate::http::problem::{Kind, Problem};

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
        // Named by field where corrections are made.
        ChangeOutcome::Refused(Refusal::Correction(_)) => Kind::Invalid,
        // Told where replays are asked for.
        ChangeOutcome::Refused(Refusal::Replay(_)) => Kind::Internal,
    };
    Err(kind.into())
}
