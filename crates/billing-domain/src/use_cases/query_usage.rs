//! Answering a question about usage, or about what it earns.

use crate::MoneyError;
use crate::ports::{MarginPage, PortError, UsageReader};
use crate::usage::{MarginPlace, MarginQuestion, ReportError, UsageQuestion, UsageReport, summarise};

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

/// The usage of one account. One that does not exist for who asks is not known and has no figures.
///
/// # Errors
/// [`QueryError`].
pub async fn query_usage(reader: &impl UsageReader, question: &UsageQuestion) -> Result<UsageReport, QueryError> {
    question.check()?;
    let answer = reader.usage(question).await?;
    let currencies = summarise(question, answer.account.map(|account| account.currency), &answer.cells)?;
    let (question, is_known) = (question.clone(), answer.account.is_some());
    Ok(UsageReport { question, is_known, as_of: answer.as_of, currencies })
}

/// What usage earns, those groups first that lose most, after `after`.
///
/// # Errors
/// [`QueryError`].
pub async fn query_margins(
    reader: &impl UsageReader,
    question: &MarginQuestion,
    after: Option<&MarginPlace>,
    limit: u32,
) -> Result<MarginPage, QueryError> {
    question.check()?;
    Ok(reader.margins(question, after, limit).await?)
}
