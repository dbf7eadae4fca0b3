//! What there is to ask for: the demo's month, small, and what the demo leaves out: usage that nothing prices, and a draft.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::demo;
use crate::demo::event::{Event, Shape};
use crate::demo::stage::Stage;
use crate::stack::{self, Stack};

const MESSAGES: u64 = 3_000;
const ACCOUNTS: u16 = 10;
/// The same month each time: what is asked for differs, not what is there.
const SEED: u64 = 412;
/// Seconds that a token is good for.
const TOKEN: i64 = 4 * 60 * 60;
/// Nobody has a price in it.
const UNPRICED: &str = "EUR";

/// What the client is told, and schemathesis.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seed {
    pub(super) url: String,
    /// Tokens.
    pub(super) staff: String,
    pub(super) customer: String,
    /// The customer's.
    pub(super) account: String,
    /// Issued, the customer's.
    pub(super) invoice: String,
    /// Void, the customer's, with a credit note.
    pub(super) void_invoice: String,
    /// Issued, another account's.
    pub(super) voidable: String,
    /// One that is on an invoice.
    pub(super) message: String,
    /// Open ones that can be replayed.
    pub(super) quarantined: [i64; 2],
    pub(super) usage_from: String,
    pub(super) usage_to: String,
    /// More ids of each kind, for who asks at random.
    #[serde(skip)]
    pub(super) ids: Ids,
}

/// Ids by kind.
pub(super) struct Ids {
    pub(super) invoices: Vec<String>,
    pub(super) prices: Vec<String>,
    pub(super) costs: Vec<String>,
    pub(super) accounts: Vec<String>,
    pub(super) messages: Vec<String>,
    pub(super) quarantined: Vec<String>,
}

impl Seed {
    /// Plays the demo on a stack that is up.
    pub(super) async fn sow(stack: &Stack, dir: PathBuf) -> Result<Self> {
        let stage = demo::furnish(stack, dir.clone(), MESSAGES, ACCOUNTS, SEED).await?;
        leave_unrated(&stage).await?;
        let (client, connection) =
            tokio_postgres::connect(&stack.info.database_url, NoTls).await.context("cannot connect to the database")?;
        tokio::spawn(connection);
        let database = Database(client);
        database.0.batch_execute(DRAFT).await.context("cannot leave a draft")?;
        let [void_invoice, account, tenant] = database.row(VOID).await?;
        let [invoice] = database.row(&format!("{ISSUED} AND account_id = '{account}'")).await?;
        let [voidable] = database.row(&format!("{ISSUED} AND account_id <> '{account}' ORDER BY number DESC")).await?;
        let [message] = database.row(&format!("{MESSAGE} AND account_id = '{account}' LIMIT 1")).await?;
        let (usage_from, usage_to) = stage.world.period.ends();
        let ids = Ids {
            invoices: database.column("SELECT id::text FROM billing.invoices").await?,
            prices: database.column("SELECT id::text FROM billing.prices").await?,
            costs: database.column("SELECT id::text FROM billing.operator_costs").await?,
            accounts: database.column("SELECT account_id::text FROM billing.accounts").await?,
            messages: database.column("SELECT message_id::text FROM billing.billing_events LIMIT 50").await?,
            quarantined: database.column("SELECT id::text FROM billing.quarantined_messages").await?,
        };
        let open: Vec<i64> = database.column(REPLAYABLE).await?.iter().filter_map(|id| id.parse().ok()).collect();
        let quarantined = open.first_chunk().copied().context("fewer than two messages can be replayed")?;
        let service = stack.info.service.clone().context("the stack has no service")?;
        let sign = |mut claims: Value| {
            let common = [("iss", &service.issuer), ("aud", &service.audience)];
            common.into_iter().for_each(|(name, value)| claims[name] = json!(value));
            claims["exp"] = json!(Timestamp::now().as_second() + TOKEN);
            stack::sign(&dir, &claims)
        };
        let scope = "billing:read billing:admin platform.finance";
        let roles = ["platform.admin", "platform.finance", "platform.billing_admin"];
        Ok(Self {
            url: service.api_url.clone(),
            staff: sign(json!({ "sub": "conformance-staff", "scope": scope, "roles": roles }))?,
            customer: sign(json!({
                "sub": "conformance-customer", "scope": "billing:read", "roles": ["account.admin"],
                "tenant_id": tenant, "account_id": account,
            }))?,
            account,
            invoice,
            void_invoice,
            voidable,
            message,
            quarantined,
            usage_from,
            usage_to,
            ids,
        })
    }
}

const VOID: &str = "SELECT i.id::text, i.account_id::text, i.tenant_id::text FROM billing.invoices i
    JOIN billing.credit_notes c ON c.invoice_id = i.id WHERE i.status = 'VOID' LIMIT 1";
const ISSUED: &str = "SELECT id::text FROM billing.invoices WHERE status = 'FINALIZED'";
const MESSAGE: &str = "SELECT message_id::text FROM billing.billing_events WHERE true";
const REPLAYABLE: &str = "SELECT id::text FROM billing.quarantined_messages
    WHERE replayed_at IS NULL AND discarded_at IS NULL AND octet_length(raw) = raw_bytes ORDER BY id";
/// As a run leaves one behind that has stopped before the number.
const DRAFT: &str = "INSERT INTO billing.invoices (id, tenant_id, account_id, currency, period_start, status,
        subtotal_minor, total_messages, total_segments, drafted_at)
    SELECT gen_random_uuid(), tenant_id, account_id, currency, (period_start - interval '1 month')::date, 'DRAFT', 0, 0, 0, now()
    FROM billing.invoices WHERE status = 'FINALIZED' ORDER BY number LIMIT 1";

/// Publishes a message that nothing prices, and waits until it is known to wait.
async fn leave_unrated(stage: &Stage) -> Result<()> {
    let account = &stage.world.accounts[0];
    let event = Event {
        id: Uuid::from_u128(u128::from(SEED)),
        account: 0,
        operator: "41220",
        direction: "MT",
        segments: 1,
        status: "DELIVERED",
        currency: UNPRICED,
        at: 1_000,
    };
    stage.publish(vec![event.write(Shape::Charged, account, stage.world.period)]).await?;
    stage.catch_up(|_| {}).await?;
    ensure!(stage.database.unrated().await? > 0, "no usage waits for a price");
    Ok(())
}

struct Database(Client);

impl Database {
    /// The texts of the first row.
    async fn row<const N: usize>(&self, sql: &str) -> Result<[String; N]> {
        let rows = self.0.query(sql, &[]).await.context("a query failed")?;
        let row = rows.first().with_context(|| format!("nothing is there: {sql}"))?;
        let texts: Vec<String> = (0..N).map(|at| row.try_get(at)).collect::<Result<_, _>>()?;
        texts.try_into().ok().context("a row of another length")
    }

    /// The first text of each row.
    async fn column(&self, sql: &str) -> Result<Vec<String>> {
        let rows = self.0.query(sql, &[]).await.context("a query failed")?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}
