//! The recorder with a database that does as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use billing_domain::ports::{BookStamp, Late, RerateOutcome, Snapshot, UncostedUsage, UnratedGroup, WaitingUsage};
use billing_domain::pricing::{CostKey, CostShare, sample_price};
use billing_domain::usage::{
    AccountDirectory, Direction, DlrStatus, QuarantineReason, RatedUsage, Receipt, ReportedUsage, SegmentCount,
    UsageBatch,
};
use billing_domain::{AccountId, Currency, DayRange, MessageId, OperatorId, PriceBook, TenantId, Tier};
use billing_runtime::Health;
use metrics_exporter_prometheus::PrometheusBuilder;
use uuid::Uuid;

use super::*;

const NOW: &str = "2026-10-05T12:00:00Z";

/// What the database does with the next batch.
#[derive(Clone, Copy)]
enum Next {
    Fail,
    /// Never, whatever is tried again.
    Refuse,
    /// A price was changed meanwhile.
    Outdate,
}

#[derive(Default)]
struct State {
    script: VecDeque<Next>,
    book_version: i64,
    directory: AccountDirectory,
    /// Versions and counts (rated, unrated, quarantined) of what was recorded.
    recorded: Vec<(i64, i64, [usize; 3])>,
    learned: Vec<usize>,
}

#[derive(Clone, Default)]
struct Database(Arc<Mutex<State>>);

impl Database {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl UsageLedger for Database {
    async fn record(&self, batch: &UsageBatch<'_>) -> Result<RecordOutcome, PortError> {
        let mut state = self.state();
        match state.script.pop_front() {
            Some(Next::Fail) => return Err(PortError::transient("record", "the database is down")),
            Some(Next::Refuse) => return Err(PortError::permanent("record", "a rule of the schema")),
            Some(Next::Outdate) => state.book_version += 1,
            None => {}
        }
        let versions = (state.book_version, state.directory.version());
        if versions != (batch.book_version, batch.directory_version) {
            return Ok(RecordOutcome::Stale);
        }
        let counts = [batch.rated.len(), batch.unrated.len(), batch.quarantined.len()];
        state.recorded.push((versions.0, versions.1, counts));
        let [rated, unrated, _] = counts.map(|count| u64::try_from(count).unwrap());
        let mut quarantined: BTreeMap<QuarantineReason, u64> = BTreeMap::new();
        batch.quarantined.iter().for_each(|message| *quarantined.entry(message.reason).or_default() += 1);
        Ok(RecordOutcome::Recorded(Recorded { rated, unrated, quarantined, ..Recorded::default() }))
    }

    async fn waiting_groups(&self, _: Option<&str>, _: u32) -> Result<Vec<UnratedGroup>, PortError> {
        Ok(Vec::new())
    }

    async fn waiting(
        &self,
        _: &UnratedGroup,
        _: DayRange,
        _: Option<&WaitingUsage>,
        _: u32,
    ) -> Result<Vec<WaitingUsage>, PortError> {
        Ok(Vec::new())
    }

    async fn refuse_waiting(&self, _: &[MessageId], _: QuarantineReason, _: &str) -> Result<u64, PortError> {
        Ok(0)
    }

    async fn rerate(&self, _: i64, _: i64, _: &[RatedUsage]) -> Result<RerateOutcome, PortError> {
        Ok(RerateOutcome::Stale)
    }

    async fn uncosted(&self, _: &CostKey, _: DayRange, _: u32) -> Result<Vec<UncostedUsage>, PortError> {
        Ok(Vec::new())
    }

    async fn fill_costs(&self, _: i64, _: i64, _: &[(UncostedUsage, CostShare)]) -> Result<Option<Late>, PortError> {
        Ok(Some(Late::default()))
    }

    async fn unrated_count(&self) -> Result<u64, PortError> {
        Ok(0)
    }

    async fn prepare_partitions(&self, _: Timestamp) -> Result<(), PortError> {
        Ok(())
    }
}

impl PriceBookStore for Database {
    async fn stamp(&self) -> Result<BookStamp, PortError> {
        Ok(BookStamp { version: self.state().book_version, snapshot_sha256: None })
    }

    async fn book(&self) -> Result<PriceBook, PortError> {
        let version = self.state().book_version;
        Ok(PriceBook::build(version, vec![(&sample_price("0.012").unwrap()).into()], Vec::new()).unwrap())
    }

    async fn pin_snapshot(&self, _: i64, _: [u8; 32]) -> Result<(), PortError> {
        Ok(())
    }
}

impl Accounts for Database {
    async fn directory_version(&self) -> Result<i64, PortError> {
        Ok(self.state().directory.version())
    }

    async fn directory(&self) -> Result<AccountDirectory, PortError> {
        Ok(self.state().directory.clone())
    }

    async fn learn(&self, observations: &[Observation]) -> Result<(), PortError> {
        let mut state = self.state();
        state.learned.push(observations.len());
        let mut accounts = std::collections::HashMap::new();
        for observation in observations {
            state.directory.learn(observation);
            accounts.insert(observation.account, state.directory.get(observation.account).unwrap().clone());
        }
        state.directory = AccountDirectory::new(state.directory.version() + 1, accounts);
        Ok(())
    }
}

struct NoCache;

impl PriceBookCache for NoCache {
    async fn fetch(&self, _: i64, _: [u8; 32]) -> Result<Option<PriceBook>, PortError> {
        Ok(None)
    }

    fn snapshot(&self, _: &PriceBook) -> Result<Snapshot, PortError> {
        Err(PortError::transient("snapshot", "there is no cache"))
    }

    async fn publish(&self, _: &Snapshot) -> Result<(), PortError> {
        Ok(())
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }
}

fn recorder(database: &Database, health: &Health) -> Recorder<Database, NoCache, Stopped> {
    let catalog = Arc::new(Catalog::new(database.clone(), NoCache));
    Recorder { database: database.clone(), catalog, clock: Stopped, healthy: health.condition("recording") }
}

/// A message of one account: with tier and all, or as a delivery report says it.
fn delivery(sequence: u64, tier: Option<&str>, charged_at: &str) -> Delivery<'static> {
    let usage = ReportedUsage {
        message: MessageId(Uuid::from_u128(u128::from(sequence))),
        tenant: Some(TenantId(Uuid::from_u128(1))),
        account: AccountId(Uuid::from_u128(2)),
        tier: tier.map(|tier| Tier::new(tier).unwrap()),
        operator: OperatorId::new("op-20").unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(1).unwrap(),
        currency: tier.map(|_| Currency::new("USD").unwrap()),
        charged_at: charged_at.parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    };
    let receipt = Receipt { sequence, published_at: "2026-10-05T11:59:58Z".parse().unwrap() };
    Delivery { receipt, raw: b"{}", content: Ok(usage) }
}

#[tokio::test]
async fn failures_and_changes_are_outlasted() {
    let metrics = PrometheusBuilder::new().build_recorder();
    let _guard = ::metrics::set_default_local_recorder(&metrics);
    let (_trigger, shutdown) = Shutdown::manual();
    let known = [delivery(1, Some("STARTER"), "2026-10-05T11:00:00Z"), delivery(2, None, "2026-10-05T11:00:00Z")];
    for (script, expected) in [
        (vec![], (0, 1, [2, 0, 0])),
        (vec![Next::Fail, Next::Fail], (0, 1, [2, 0, 0])),
        (vec![Next::Outdate], (1, 1, [2, 0, 0])),
        (vec![Next::Outdate, Next::Fail, Next::Outdate, Next::Outdate], (3, 1, [2, 0, 0])),
    ] {
        let (database, health) = (Database::default(), Health::default());
        database.state().script = script.into();
        assert!(recorder(&database, &health).record(&known, &shutdown).await);
        assert_eq!(database.state().recorded, [expected]);
        assert_eq!(database.state().learned, [1]);
        assert!(health.not_ready().is_empty());
    }
    let told = metrics.handle().render();
    for line in [
        "billing_events_ingested_total{result=\"ok\"} 8",
        // Once a batch, however often it fails.
        "billing_events_ingested_total{result=\"error\"} 4",
        "billing_pricing_resolve_total{source=\"db\"} 8",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_set_aside_and_its_neighbour_billed() {
    let metrics = PrometheusBuilder::new().build_recorder();
    let _guard = ::metrics::set_default_local_recorder(&metrics);
    let at = |sequence| delivery(sequence, None, "2026-10-05T11:00:00Z");
    for (script, expected) in [
        // Both, the second, and then the second is set aside.
        (vec![Next::Refuse, Next::Refuse], vec![[0, 0, 1], [0, 1, 0]]),
        // Not even that succeeds at once.
        (vec![Next::Refuse, Next::Refuse, Next::Refuse, Next::Fail], vec![[0, 1, 0], [0, 1, 0]]),
    ] {
        let (_trigger, shutdown) = Shutdown::manual();
        let (database, health) = (Database::default(), Health::default());
        database.state().script = script.into();
        assert!(recorder(&database, &health).record(&[at(1), at(2)], &shutdown).await);
        let state = database.state();
        assert_eq!(state.recorded.iter().map(|(_, _, counts)| *counts).collect::<Vec<_>>(), expected);
        assert!(health.not_ready().is_empty());
    }
    // One of each script, however often it fails.
    let told = metrics.handle().render();
    assert!(told.contains("billing_events_ingested_total{result=\"error\"} 2\n"), "{told}");
}

#[tokio::test]
async fn a_batch_that_cannot_be_recorded_is_given_up_when_the_process_stops() {
    let (trigger, shutdown) = Shutdown::manual();
    let (database, health) = (Database::default(), Health::default());
    database.state().script = [Next::Fail; 100].into();
    trigger.request();
    let deliveries = [delivery(1, None, "2026-10-05T11:00:00Z")];
    assert!(!recorder(&database, &health).record(&deliveries, &shutdown).await);
    assert!(database.state().recorded.is_empty());
    assert_eq!(health.not_ready(), ["recording"]);
}

#[tokio::test]
async fn only_usage_that_counts_teaches() {
    let at = |tier, charged_at| delivery(1, tier, charged_at);
    for (deliveries, learned, counts) in [
        (
            vec![at(Some("STARTER"), "2026-10-05T11:00:00Z"), at(Some("STARTER"), "2026-10-05T11:30:00Z")],
            vec![1],
            [2, 0, 0],
        ),
        (
            vec![at(Some("STARTER"), "2026-10-04T11:00:00Z"), at(Some("GROWTH"), "2026-10-05T11:30:00Z")],
            vec![2],
            [1, 1, 0],
        ),
        (vec![at(None, "2026-10-05T11:00:00Z")], vec![], [0, 1, 0]),
        (vec![at(Some("STARTER"), "2024-10-05T11:00:00Z")], vec![], [0, 0, 1]),
        (vec![at(Some("STARTER"), "2026-10-05T12:00:06Z")], vec![], [0, 0, 1]),
    ] {
        let (_trigger, shutdown) = Shutdown::manual();
        let (database, health) = (Database::default(), Health::default());
        assert!(recorder(&database, &health).record(&deliveries, &shutdown).await);
        let state = database.state();
        assert_eq!(state.learned, learned);
        assert_eq!(state.recorded.iter().map(|(_, _, counts)| *counts).collect::<Vec<_>>(), [counts]);
    }
}
