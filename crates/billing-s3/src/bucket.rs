//! Whether the bucket is there and keeps documents as the law wants: asked once, told in a sentence each, and never a reason
//! to stop. A store that cannot be asked is told apart from one that answers no.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::signer::Method;

use crate::S3Documents;

/// The whole of one question.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer; they have a few hundred.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// 7 years with their leap days.
const RETENTION_DAYS_MIN: u32 = 2_557;
const RETENTION_YEARS_MIN: u32 = 7;

const PROTECTED: &str = "billing_s3_bucket_protected";

/// One thing that the bucket's owner has to set.
struct Question {
    /// The metric's label.
    what: &'static str,
    /// As in the address.
    query: &'static str,
    /// The store's word for "not set".
    not_set: &'static str,
    /// Whether the store's answer means yes.
    is_set: fn(&str) -> bool,
    /// What is wrong and what to do.
    sentence: &'static str,
}

const QUESTIONS: [Question; 4] = [
    Question {
        what: "versioning",
        query: "versioning",
        not_set: "NoSuchVersioningConfiguration",
        is_set: |xml| element(xml, "Status") == Some("Enabled"),
        sentence: "the bucket keeps no versions: enable versioning (docs/OPERATIONS.md#s3)",
    },
    Question {
        what: "encryption",
        query: "encryption",
        not_set: "ServerSideEncryptionConfigurationNotFoundError",
        is_set: |xml| element(xml, "SSEAlgorithm").is_some(),
        sentence: "the bucket does not encrypt what is stored: set a default encryption (docs/OPERATIONS.md#s3)",
    },
    Question {
        what: "retention",
        query: "object-lock",
        not_set: "ObjectLockConfigurationNotFoundError",
        is_set: keeps_seven_years,
        sentence: "the bucket lets documents be deleted before 7 years are over: set object lock with a default \
                   retention of 7 years (docs/OPERATIONS.md#s3)",
    },
    Question {
        what: "public_access",
        query: "publicAccessBlock",
        not_set: "NoSuchPublicAccessBlockConfiguration",
        is_set: |xml| {
            ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
                .iter()
                .all(|name| element(xml, name) == Some("true"))
        },
        sentence: "the bucket can be made public: block public access (docs/OPERATIONS.md#s3)",
    },
];

/// What came of one question.
#[derive(PartialEq, Eq, Debug)]
enum Answer {
    Yes,
    No,
    /// Why it could not be asked.
    Unknown(String),
}

pub(crate) fn describe() {
    metrics::describe_gauge!(PROTECTED, "1: the bucket protects documents so; no series: the store cannot be asked");
}

impl S3Documents {
    /// Looks at the bucket and says in the log, in a sentence each, what its owner has not set; by the metric as well. What
    /// is set and what is not, by the metric's label; what could not be asked is not among them. Takes seconds at most.
    pub async fn look_at_bucket(&self) -> BTreeMap<&'static str, bool> {
        let mut found = BTreeMap::new();
        match self.ask(Method::HEAD, "").await {
            Ok((404, _)) => {
                tracing::warn!("the bucket does not exist: make it, or correct its name (docs/OPERATIONS.md#s3)");
                found.insert("exists", false);
                return note(found);
            }
            Ok((200, _)) => drop(found.insert("exists", true)),
            // Who may not list it is told that, and nothing about whether it is there.
            Ok((status, _)) => tracing::info!(status, "the store does not say whether the bucket is there"),
            Err(why) => {
                tracing::warn!(why, "the bucket cannot be looked at");
                return found;
            }
        }
        let answers =
            join_all(QUESTIONS.iter().map(|question| async move {
                (question, read(question, self.ask(Method::GET, question.query).await))
            }));
        for (question, answer) in answers.await {
            match answer {
                Answer::Yes => drop(found.insert(question.what, true)),
                Answer::No => {
                    found.insert(question.what, false);
                    tracing::warn!(what = question.what, "{}", question.sentence);
                }
                Answer::Unknown(why) => {
                    tracing::info!(what = question.what, why, "whether the bucket is protected so cannot be asked");
                }
            }
        }
        note(found)
    }

    /// Status and text of a signed request about the bucket.
    async fn ask(&self, method: Method, query: &str) -> Result<(u16, String), String> {
        let answer = tokio::time::timeout(QUESTION_TIMEOUT, self.ask_unbounded(method, query)).await;
        answer.map_err(|_| "no answer in time".to_owned())?
    }

    async fn ask_unbounded(&self, method: Method, query: &str) -> Result<(u16, String), String> {
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method;
        let url = format!("{}{mark}{query}", self.bucket_url);
        *request.uri_mut() = url.parse().map_err(|_| "the bucket's address is none".to_owned())?;
        let credential = self.store.credentials().get_credential().await;
        let credential = credential.map_err(|_| "no credentials".to_owned())?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|_| "the request cannot be signed".to_owned())?;
        let answer = self.http.execute(request).await.map_err(|error| crate::root_cause(&error))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().bytes().await.map_err(|error| crate::root_cause(&error))?;
        let body = &body[..body.len().min(ANSWER_BYTES_MAX)];
        Ok((status, String::from_utf8_lossy(body).into_owned()))
    }
}

fn note(found: BTreeMap<&'static str, bool>) -> BTreeMap<&'static str, bool> {
    for (what, is_set) in &found {
        metrics::gauge!(PROTECTED, "what" => *what).set(if *is_set { 1.0 } else { 0.0 });
    }
    found
}

fn read(question: &Question, answer: Result<(u16, String), String>) -> Answer {
    match answer {
        Ok((200, xml)) if (question.is_set)(&xml) => Answer::Yes,
        Ok((200, _)) => Answer::No,
        Ok((404, xml)) if element(&xml, "Code") == Some(question.not_set) => Answer::No,
        Ok((401 | 403, _)) => Answer::Unknown("the store denies the question".to_owned()),
        Ok((status, _)) => Answer::Unknown(format!("the store answers {status}")),
        Err(why) => Answer::Unknown(why),
    }
}

fn keeps_seven_years(xml: &str) -> bool {
    let number = |name| element(xml, name).and_then(|text| text.parse::<u32>().ok());
    number("Years").is_some_and(|years| years >= RETENTION_YEARS_MIN)
        || number("Days").is_some_and(|days| days >= RETENTION_DAYS_MIN)
}

/// The text of the first element of that name; these documents have no attributes where it matters.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_no_and_cannot_be_asked_are_told_apart() {
        let retention = |unit, number| {
            format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                <Mode>COMPLIANCE</Mode><{unit}>{number}</{unit}></DefaultRetention></Rule></ObjectLockConfiguration>"
            )
        };
        let error = |code| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>x</Message></Error>");
        let block = |last| {
            format!(
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true\
                </IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>{last}\
                </RestrictPublicBuckets></PublicAccessBlockConfiguration>"
            )
        };
        let [versioning, encryption, lock, public] = &QUESTIONS;
        for (question, status, xml, expected) in [
            (
                versioning,
                200,
                "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned(),
                "Yes",
            ),
            (
                versioning,
                200,
                "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>".to_owned(),
                "No",
            ),
            (versioning, 200, "<VersioningConfiguration/>".to_owned(), "No"),
            (versioning, 501, error("NotImplemented"), "Unknown(\"the store answers 501\")"),
            (encryption, 200, "<SSEAlgorithm>AES256</SSEAlgorithm>".to_owned(), "Yes"),
            (encryption, 404, error("ServerSideEncryptionConfigurationNotFoundError"), "No"),
            (encryption, 404, error("NoSuchBucket"), "Unknown(\"the store answers 404\")"),
            (encryption, 403, error("AccessDenied"), "Unknown(\"the store denies the question\")"),
            (lock, 200, retention("Years", 7), "Yes"),
            (lock, 200, retention("Years", 6), "No"),
            (lock, 200, retention("Days", 2_557), "Yes"),
            (lock, 200, retention("Days", 2_556), "No"),
            (lock, 200, "<ObjectLockEnabled>Enabled</ObjectLockEnabled>".to_owned(), "No"),
            (lock, 404, error("ObjectLockConfigurationNotFoundError"), "No"),
            (public, 200, block("true"), "Yes"),
            (public, 200, block("false"), "No"),
            (public, 404, error("NoSuchPublicAccessBlockConfiguration"), "No"),
        ] {
            assert_eq!(format!("{:?}", read(question, Ok((status, xml)))), expected, "{} {status}", question.what);
        }
    }
}
