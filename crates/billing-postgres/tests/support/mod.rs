//! A database of its own for each test, on the server that `cargo xtask test` starts.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot do without, it says so and ends"
)]

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use billing_domain::ports::{Accounts, AdminAction, NewCost, NewPrice, PriceAdmin, PriceBookStore};
use billing_domain::pricing::{ChargeOn, CostKey, MonthlyTerms, OperatorMatch, PriceTerms, PricingModel};
use billing_domain::usage::{Direction, DlrStatus, Receipt, ReportedUsage, SegmentCount, observation};
use billing_domain::use_cases::{Delivery, prepare_batch};
use billing_domain::{
    AccountId, CostId, Currency, Day, DayRange, MessageId, Micros, OperatorId, PriceBook, PriceId, TenantId, Tier,
};
use billing_postgres::{DatabaseConfig, DatabaseCredentials, Postgres, migrate};
use billing_testing::certificates::trusting_nobody;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Recognised wherever it turns up: `cargo xtask test` looks for it.
pub(crate) const PASSWORD: &str = "canary-of-the-database-of-a-test";
static SEQUENCE: AtomicU64 = AtomicU64::new(1);

pub(crate) struct TestDatabase {
    pub(crate) worker: Postgres,
    pub(crate) api: Postgres,
    pub(crate) owner: Client,
    pub(crate) url: String,
    pub(crate) owner_credentials: DatabaseCredentials,
}

/// Keeps what a program of ours has said, for `cargo xtask test` to look through for secrets.
pub(crate) fn keep(program: &str, said: &[u8]) {
    if let Some(folder) = std::env::var_os("BILLING_TEST_LOGS") {
        let file = std::path::Path::new(&folder).join(format!("{program}-{}.log", Uuid::new_v4().simple()));
        std::fs::write(file, said).expect("a log is kept");
    }
}

/// The same in one file of all that this process keeps of the kind, for what is small and many.
pub(crate) fn keep_also(kind: &str, said: &[u8]) {
    if let Some(folder) = std::env::var_os("BILLING_TEST_LOGS") {
        let file = std::path::Path::new(&folder).join(format!("{kind}-{}.log", std::process::id()));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        file.expect("a file").write_all(&[said, b"\n"].concat()).expect("it is kept");
    }
}

fn server() -> tokio_postgres::Config {
    let url = std::env::var("BILLING_TEST_DATABASE_URL")
        .expect("BILLING_TEST_DATABASE_URL is not set: run the tests by `cargo xtask test`");
    url.parse().expect("BILLING_TEST_DATABASE_URL is a postgres:// URL")
}

async fn connect(config: &tokio_postgres::Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

/// Roles are of the whole server: made once, by whichever test comes first.
const ROLES: &str = "DO $$ DECLARE r text; BEGIN
    PERFORM pg_advisory_xact_lock(77);
    FOREACH r IN ARRAY ARRAY['owner', 'api', 'worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_' || r) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'billing_' || r);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_test_' || r) THEN
            EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L IN ROLE %I', 'billing_test_' || r, 'canary-of-the-database-of-a-test', 'billing_' || r);
        END IF;
    END LOOP;
END $$";

fn credentials(role: &str) -> DatabaseCredentials {
    DatabaseCredentials { username: format!("billing_test_{role}"), password: PASSWORD.into() }
}

fn open(url: &str, role: &str) -> Postgres {
    let config = DatabaseConfig {
        url: url.to_owned(),
        replica_url: None,
        pool_primary: 7,
        pool_replica: 0,
        pool_recording: 3,
        pool_exports: 1,
        application_name: "billing-test",
        tls: trusting_nobody(),
    };
    Postgres::connect(&config, &credentials(role)).expect("a pool")
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        Self::create_on(server()).await
    }

    /// On the server that a superuser reaches so.
    pub(crate) async fn create_on(mut config: tokio_postgres::Config) -> Self {
        let admin = connect(&config).await;
        admin.batch_execute(ROLES).await.expect("roles");
        let name = format!("billing_test_{}", Uuid::new_v4().simple());
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER billing_owner")).await.expect("a database");
        config.dbname(&name);
        let owner = connect(&config).await;
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a TCP host") };
        let url = format!("postgres://{host}:{}/{name}", config.get_ports()[0]);
        let owner_credentials = credentials("owner");
        migrate(&url, &owner_credentials, &trusting_nobody()).await.expect("migrations run");
        Self { worker: open(&url, "worker"), api: open(&url, "api"), owner, url, owner_credentials }
    }

    /// The api, by way of something in between: `between` is told `host:port` of the server and says its own port.
    pub(crate) fn api_through(&self, between: impl FnOnce(String) -> u16) -> Postgres {
        let (server, name) = self.url.trim_start_matches("postgres://").split_once('/').expect("host and database");
        open(&format!("postgres://127.0.0.1:{}/{name}", between(server.to_owned())), "api")
    }

    /// A login as a member of the role whose time is over; its password is that of the tests.
    pub(crate) async fn expired_login(&self, role: &str) -> String {
        let name = format!("expired_{}", Uuid::new_v4().simple());
        let make = format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' VALID UNTIL '2020-01-01' IN ROLE {role}");
        self.owner.batch_execute(&make).await.expect("a login");
        name
    }

    /// One number of one row.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.owner.query_one(query, &[]).await.expect("a row").get(0)
    }

    pub(crate) async fn text(&self, query: &str) -> String {
        self.owner.query_one(query, &[]).await.expect("a row").get(0)
    }

    pub(crate) async fn add_price(&self, tier: &str, operator: &str, unit_price: &str) -> PriceId {
        let new = price(tier, operator, unit_price, "2026-01-01", None);
        let made = self.api.create_price(&new, &action("admin")).await.expect("a price");
        assert!(matches!(made, billing_domain::ports::ChangeOutcome::Done(_)), "{made:?}");
        new.id
    }

    pub(crate) async fn add_cost(&self, operator: &str, cost_per_segment: &str) {
        let new = NewCost {
            id: CostId(Uuid::new_v4()),
            key: CostKey { operator: OperatorId::new(operator).unwrap(), direction: Direction::Mt, currency: usd() },
            cost_per_segment: Micros::parse(cost_per_segment).unwrap(),
            days: DayRange::inclusive(day("2026-01-01"), None).unwrap(),
        };
        let made = self.api.create_cost(&new, &action("admin")).await.expect("a cost");
        assert!(matches!(made, billing_domain::ports::ChangeOutcome::Done(_)), "{made:?}");
    }

    /// Learns, prepares and records, as ingest does; the book may be an older one.
    pub(crate) async fn record(&self, usage: &[(Receipt, ReportedUsage)]) -> billing_domain::ports::RecordOutcome {
        let book = self.worker.book().await.expect("a book");
        self.record_with(&book, usage).await
    }

    pub(crate) async fn record_with(
        &self,
        book: &PriceBook,
        usage: &[(Receipt, ReportedUsage)],
    ) -> billing_domain::ports::RecordOutcome {
        use billing_domain::ports::UsageLedger;
        self.worker.prepare_partitions(now()).await.expect("partitions");
        let seen: Vec<_> = usage.iter().filter_map(|(_, usage)| observation(usage)).collect();
        self.worker.learn(&seen).await.expect("accounts are learned");
        let directory = self.worker.directory().await.expect("a directory");
        let deliveries: Vec<Delivery<'_>> = usage
            .iter()
            .map(|(receipt, usage)| Delivery { receipt: *receipt, raw: b"raw", content: Ok(usage.clone()) })
            .collect();
        let batch = prepare_batch(&deliveries, now(), &directory, book);
        self.worker.record(&batch).await.expect("the batch is recorded")
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-15T12:00:00Z".parse().unwrap()
}

pub(crate) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

pub(crate) fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(0xacc0_0000 + number))
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(0x7e00_0000 + number))
}

pub(crate) fn usd() -> Currency {
    Currency::new("USD").unwrap()
}

/// The next place on the stream.
pub(crate) fn receipt() -> Receipt {
    Receipt { sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed), published_at: now() }
}

/// Two segments to op-20 by a STARTER account of tenant 1.
pub(crate) fn usage(of: AccountId, charged_at: &str) -> (Receipt, ReportedUsage) {
    let usage = ReportedUsage {
        message: MessageId(Uuid::new_v4()),
        tenant: Some(tenant(1)),
        account: of,
        tier: Some(Tier::new("STARTER").unwrap()),
        operator: OperatorId::new("op-20").unwrap(),
        direction: Direction::Mt,
        segments: SegmentCount::new(2).unwrap(),
        currency: Some(usd()),
        charged_at: charged_at.parse().unwrap(),
        dlr_status: DlrStatus::Delivered,
    };
    (receipt(), usage)
}

pub(crate) fn price(tier: &str, operator: &str, unit_price: &str, from: &str, last: Option<&str>) -> NewPrice {
    let operator = match operator {
        "*" => OperatorMatch::Any,
        operator => OperatorMatch::One(OperatorId::new(operator).unwrap()),
    };
    let terms = PriceTerms {
        tier: Tier::new(tier).unwrap(),
        account: None,
        operator,
        direction: Direction::Mt,
        model: PricingModel::PerSegment,
        charge_on: ChargeOn::AnyTerminal,
        unit_price: Micros::parse(unit_price).unwrap(),
        currency: usd(),
        monthly: MonthlyTerms::default(),
        days: DayRange::inclusive(day(from), last.map(day)).unwrap(),
    };
    NewPrice { id: PriceId(Uuid::new_v4()), terms }
}

pub(crate) fn action(actor: &str) -> AdminAction {
    AdminAction {
        actor: actor.into(),
        tenant: None,
        trace_id: "trace".into(),
        at: now(),
        reason: None,
        idempotency: None,
    }
}
