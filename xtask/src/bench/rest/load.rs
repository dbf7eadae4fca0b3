//! Who asks: at a fixed rate, or as fast as answers come. Every answer must be 200 and say what was filled in.
//!
//! Who asks shares the processors with who answers, as pgbench does: requests are written once for each account, and of an
//! answer no more is read than its length says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use rand::Rng as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::api::Api;
use super::fill::{FIRST_DAY, LAST_DAY, account};
use crate::stack::{keys, sign};

/// Connections at the fixed rate; each has its share of the requests.
const CONNECTIONS: u32 = 16;
/// Of so many answers one is read, not only counted.
const READ_EVERY: u32 = 50;
/// What ends the head of an answer.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// No answer is longer. Bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// A question for each account, with its token.
pub(crate) struct Questions {
    port: u16,
    requests: Arc<Vec<Vec<u8>>>,
}

/// How long answers took, in microseconds.
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    /// Of how many answers.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// What so many thousandths of the answers did not exceed.
    pub(crate) fn quantile(&self, thousandths: usize) -> u64 {
        let at = (self.0.len() * thousandths).div_ceil(1_000).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl Questions {
    pub(crate) fn new(accounts: u32, api: &Api) -> Result<Self> {
        let now = Timestamp::now().as_second();
        let request = |n: u32| {
            let (account, tenant) = account(n);
            let claims = json!({ "iss": keys::ISSUER, "aud": keys::AUDIENCE, "sub": "bench", "exp": now + 3_600 * 6,
                "scope": "billing:read", "roles": ["account.viewer"], "tenant_id": tenant, "account_id": account });
            let token = sign(&api.dir, &claims)?;
            let target = format!("/v1/billing/usage?from={FIRST_DAY}&to={LAST_DAY}&granularity=day");
            anyhow::Ok(
                format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
                    .into_bytes(),
            )
        };
        Ok(Self { port: api.port, requests: Arc::new((1..=accounts).map(request).collect::<Result<_>>()?) })
    }

    async fn asker(&self) -> Result<Asker> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("cannot connect to the api")?;
        stream.set_nodelay(true).context("cannot tell the connection not to wait")?;
        Ok(Asker { stream, requests: Arc::clone(&self.requests), answer: Vec::with_capacity(ANSWER_MAX), asked: 0 })
    }
}

/// One connection.
struct Asker {
    stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    answer: Vec<u8>,
    asked: u32,
}

impl Asker {
    /// Asks for one account.
    async fn ask(&mut self) -> Result<()> {
        let request = &self.requests[rand::rng().random_range(0..self.requests.len())];
        self.stream.write_all(request).await.context("the api has closed the connection")?;
        self.answer.clear();
        let body = loop {
            let read = self.stream.read_buf(&mut self.answer).await.context("an answer broke off")?;
            ensure!(read > 0 && self.answer.len() < ANSWER_MAX, "an answer broke off or has no end");
            if let Some(body) = body_of(&self.answer)? {
                break body;
            }
        };
        if self.asked.is_multiple_of(READ_EVERY) {
            let told: Value = serde_json::from_slice(body).context("an answer is not JSON")?;
            let days = told["buckets"].as_array().context("an answer has no days")?;
            let complete = days.len() == 31 && days.iter().all(|day| day["messageCount"].as_u64() > Some(0));
            ensure!(complete, "an answer lacks days: {told}");
        }
        self.asked = self.asked.wrapping_add(1);
        Ok(())
    }
}

/// The body of an answer of 200, once all of it is there.
fn body_of(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = answer.windows(HEAD_END.len()).position(|window| window == HEAD_END) else { return Ok(None) };
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + HEAD_END.len()..]);
    if !head.starts_with("HTTP/1.1 200 ") {
        bail!("the api answers {head} {}", String::from_utf8_lossy(body));
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("an answer has no length")?;
    let length: usize = length.trim().parse().context("the length of an answer is no number")?;
    Ok((body.len() >= length).then_some(body))
}

/// So many requests a second, each at its moment; how long after that its answer was there.
pub(crate) async fn at_fixed_rate(questions: &Questions, rate: u32, seconds: u32) -> Result<Latencies> {
    let began = Instant::now() + Duration::from_millis(100);
    let share = async |first: u32| {
        let mut asker = questions.asker().await?;
        let ask_all = async move {
            let mut took = Vec::new();
            for number in (first..rate * seconds).step_by(CONNECTIONS as usize) {
                let due = began + Duration::from_secs(1) * number / rate;
                tokio::time::sleep_until(due.into()).await;
                asker.ask().await?;
                took.push(u64::try_from(due.elapsed().as_micros())?);
            }
            anyhow::Ok(took)
        };
        tokio::spawn(ask_all).await?
    };
    let mut all: Vec<u64> = try_join_all((0..CONNECTIONS).map(share)).await?.concat();
    all.sort_unstable();
    Ok(Latencies(all))
}

/// So many side by side, each with the next question as soon as it has its answer; answers a second.
pub(crate) async fn as_fast_as_it_goes(questions: &Questions, askers: u32, during: Duration) -> Result<u64> {
    let began = Instant::now();
    let one = async |_: u32| {
        let mut asker = questions.asker().await?;
        let ask_on = async move {
            let mut answers = 0_u64;
            while began.elapsed() < during {
                asker.ask().await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        };
        tokio::spawn(ask_on).await?
    };
    let answers: u64 = try_join_all((0..askers).map(one)).await?.iter().sum();
    Ok(answers * 1_000 / u64::try_from(began.elapsed().as_millis())?.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_when_as_much_came_as_it_says() {
        for (answer, expected) in [
            ("", Some(None)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", Some(None)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", Some(None)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: \"a\"\r\n\r\n{}", Some(Some("{}"))),
            ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}", None),
            ("HTTP/1.1 200 OK\r\n\r\n{}", None),
        ] {
            let expected = expected.map(|body| body.map(str::as_bytes));
            assert_eq!(body_of(answer.as_bytes()).ok(), expected, "{answer}");
        }
    }

    #[test]
    fn a_quantile_is_the_slowest_of_its_share() {
        let latencies = Latencies((1..=200).collect());
        for (thousandths, expected) in [(500, 100), (950, 190), (990, 198), (1_000, 200)] {
            assert_eq!(latencies.quantile(thousandths), expected);
        }
        assert_eq!((Latencies(vec![]).quantile(950), latencies.count()), (0, 200));
    }
}
