//! Answering a usage question.

use crate::MoneyError;
use crate::ports::{PortError, UsageReader};
use crate::usage::{ReportError, UsageQuestion, UsageReport, summarise};

/// Why a usage question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The question asks for too much.
    #[error(transparent)]
    Refused(#[from] ReportError),
    /// Reading failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A total does not fit.
    #[error("the usage cannot be summed")]
    Sum(#[from] MoneyError),
}

/// The usage of one account; `None` when the account does not exist for who asks.
///
/// # Errors
/// [`QueryError`].
pub async fn query_usage(
    reader: &impl UsageReader,
    question: &UsageQuestion,
) -> Result<Option<UsageReport>, QueryError> {
    question.check()?;
    let answer = reader.usage(question).await?;
    let Some(account) = answer.account else { return Ok(None) };
    let currencies = summarise(question, Some(account.currency), &answer.cells)?;
    Ok(Some(UsageReport { question: question.clone(), as_of: answer.as_of, currencies }))
}
