//! What was sent and what must come of it: written down before it is sent, and computed here anew, in integers, without a
//! line of the service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

pub(crate) const ACCOUNTS: u32 = 40;
const TIERS: [&str; 3] = ["STARTER", "GROWTH", "ENTERPRISE"];
const OPERATORS: [&str; 5] = ["41201", "41220", "41240", "41250", "41280"];
const STATUSES: [&str; 3] = ["DELIVERED", "FAILED", "EXPIRED"];

/// Prices of a segment in millionths, by tier and operator; `*` where there is none of the operator's own.
pub(crate) const PRICES: [(&str, &str, i128); 5] = [
    ("STARTER", "*", 12_500),
    ("STARTER", "41220", 11_003),
    ("GROWTH", "*", 9_999),
    ("ENTERPRISE", "*", 7_001),
    ("ENTERPRISE", "41250", 1),
];
/// What a segment costs. The others' cost is not known.
pub(crate) const COSTS: [(&str, i128); 3] = [("41201", 4_000), ("41220", 3_333), ("41240", 8_000)];

/// What must come of a message, in millionths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    Rated { amount: i128, cost: Option<i128> },
    Unrated,
    Quarantined(String),
}

/// One message, and how it is published.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) account: u32,
    pub(crate) operator: &'static str,
    pub(crate) segments: u8,
    pub(crate) status: &'static str,
    pub(crate) charged_at: Timestamp,
    /// As a delivery report.
    pub(crate) report: bool,
    /// `Nats-Msg-Id`, if any.
    pub(crate) dedupe: Option<String>,
    /// Published instead of what the fields say.
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) expected: Expected,
}

pub(crate) fn account(number: u32) -> Uuid {
    Uuid::from_u128(0xacc0_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

pub(crate) fn tenant(number: u32) -> Uuid {
    Uuid::from_u128(0x7e00_0000_0000_4000_8000_0000_0000_0000 + u128::from(number % 4))
}

pub(crate) fn tier(account: u32) -> &'static str {
    TIERS[account as usize % TIERS.len()]
}

/// The price of a message by the tables above.
pub(crate) fn rated(account: u32, operator: &str, segments: u8) -> Expected {
    let find = |wanted: &str| PRICES.iter().find(|(of, to, _)| *of == tier(account) && *to == wanted);
    let price = find(operator).or_else(|| find("*")).unwrap().2;
    let cost = COSTS.iter().find(|(of, _)| *of == operator).map(|(_, cost)| cost * i128::from(segments));
    Expected::Rated { amount: price * i128::from(segments), cost }
}

impl Message {
    /// With its price by the tables.
    pub(crate) fn priced(mut self) -> Self {
        self.expected = rated(self.account, self.operator, self.segments);
        self
    }

    /// What must be recorded of it beside its amounts; its tier, which a report does not say, comes last.
    fn facts(&self) -> String {
        let Self { operator, segments, status, .. } = self;
        let (account, tenant, tier) = (account(self.account), tenant(self.account), tier(self.account));
        let charged_at = self.charged_at.as_microsecond();
        format!("{account}/{tenant}/{operator}/MT/{segments}/USD/{status}/{charged_at}/{tier}")
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let Self { id, operator, segments, status, charged_at, .. } = self;
        let (account, tenant, tier) = (account(self.account), tenant(self.account), tier(self.account));
        let text = if self.report {
            format!(
                r#"{{"eventId":"{tenant}","schemaVersion":"1.0","eventType":"DLR_TERMINAL","messageId":"{id}",
                    "accountId":"{account}","dlrStatus":"{status}","segmentCount":{segments},"operatorId":"{operator}",
                    "occurredAt":"{charged_at}"}}"#
            )
        } else {
            format!(
                r#"{{"schemaVersion":"1","messageId":"{id}","tenantId":"{tenant}","accountId":"{account}",
                    "accountTier":"{tier}","operatorId":"{operator}","direction":"MT","segmentCount":{segments},
                    "currency":"USD","chargedAt":"{charged_at}","dlrStatus":"{status}"}}"#
            )
        };
        text.into_bytes()
    }
}

/// Makes messages by one seed, which is printed.
pub(crate) struct Generator {
    rng: StdRng,
    now: Timestamp,
}

impl Generator {
    pub(crate) fn new() -> Self {
        let seed = std::env::var("BILLING_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| rand::random_range(1..u64::MAX));
        eprintln!("BILLING_TEST_SEED={seed}");
        Self { rng: StdRng::seed_from_u64(seed), now: Timestamp::now() }
    }

    /// One of the last twenty days; of any account and operator.
    pub(crate) fn message(&mut self) -> Message {
        let back = SignedDuration::from_secs(self.rng.random_range(60..20 * 86_400));
        let rng = &mut self.rng;
        let id = Uuid::from_u128(rng.random());
        let message = Message {
            id,
            account: rng.random_range(0..ACCOUNTS),
            operator: OPERATORS[rng.random_range(0..OPERATORS.len())],
            segments: rng.random_range(1..=10),
            status: STATUSES[rng.random_range(0..STATUSES.len())],
            charged_at: self.now - back,
            report: false,
            dedupe: Some(id.to_string()),
            raw: None,
            expected: Expected::Unrated,
        };
        message.priced()
    }

    pub(crate) fn messages(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.message()).collect()
    }

    /// One message of each account, by which its tier becomes known.
    pub(crate) fn introductions(&mut self) -> Vec<Message> {
        (0..ACCOUNTS).map(|account| Message { account, ..self.message() }.priced()).collect()
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.rng.random_range(0..limit)
    }
}

/// Everything attempted and acknowledged, on disk before the next step.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    publications: u64,
}

/// What a journal comes to.
#[derive(Default)]
pub(crate) struct Ledger {
    /// By message id: with the facts of it.
    pub(crate) attempted: BTreeMap<Uuid, (Expected, String)>,
    /// Message ids of which a publication was acknowledged by the stream.
    pub(crate) acknowledged: BTreeSet<Uuid>,
    /// What no id can be read of: by the stream's sequence number.
    pub(crate) poison: BTreeMap<u64, String>,
    /// Of every acknowledged publication.
    pub(crate) sequences: BTreeSet<u64>,
}

impl Journal {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("journal");
        Self { file: File::create(&path).unwrap(), path, publications: 0 }
    }

    /// A message is about to be published; the number of the attempt.
    pub(crate) fn attempt(&mut self, message: &Message) -> u64 {
        self.publications += 1;
        let expected = match &message.expected {
            Expected::Rated { amount, cost: Some(cost) } => format!("rated {amount} {cost}"),
            Expected::Rated { amount, cost: None } => format!("rated {amount} -"),
            Expected::Unrated => "unrated".to_owned(),
            Expected::Quarantined(reason) => format!("quarantined {reason}"),
        };
        writeln!(self.file, "attempt {} {} {} {expected}", self.publications, message.id, message.facts()).unwrap();
        self.publications
    }

    /// The stream has taken it.
    pub(crate) fn acknowledge(&mut self, publication: u64, sequence: u64) {
        writeln!(self.file, "ack {publication} {sequence}").unwrap();
    }

    /// What must come of a message has changed: it was published before its price was made.
    pub(crate) fn expect(&mut self, message: &Message) {
        let Expected::Rated { amount, cost } = &message.expected else { panic!("only a price can come later") };
        let cost = cost.map_or_else(|| "-".to_owned(), |cost| cost.to_string());
        writeln!(self.file, "attempt 0 {} {} rated {amount} {cost}", message.id, message.facts()).unwrap();
    }

    pub(crate) fn sync(&self) {
        self.file.sync_data().unwrap();
    }

    /// Reads it back.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        let mut publications = BTreeMap::new();
        for line in std::fs::read_to_string(&self.path).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["attempt", publication, id, facts, ref rest @ ..] => {
                    let id: Uuid = id.parse().unwrap();
                    let expected = match rest {
                        ["rated", amount, cost] => {
                            Expected::Rated { amount: amount.parse().unwrap(), cost: cost.parse().ok() }
                        }
                        ["quarantined", reason] => Expected::Quarantined((*reason).to_owned()),
                        _ => Expected::Unrated,
                    };
                    publications.insert(publication.to_owned(), (id, expected.clone()));
                    if !matches!(expected, Expected::Quarantined(_)) {
                        ledger.attempted.insert(id, (expected, facts.to_owned()));
                    }
                }
                ["ack", publication, sequence] => {
                    let (id, expected) = &publications[publication];
                    let sequence = sequence.parse().unwrap();
                    ledger.sequences.insert(sequence);
                    match expected {
                        Expected::Quarantined(reason) => drop(ledger.poison.insert(sequence, reason.clone())),
                        _ => drop(ledger.acknowledged.insert(*id)),
                    }
                }
                _ => panic!("a line of the journal that nobody has written: {line}"),
            }
        }
        ledger
    }
}
