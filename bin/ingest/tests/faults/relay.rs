//! A pod that dies while it relays the events about invoices: each is on their stream once.

use std::collections::BTreeSet;

use async_nats::header::NATS_MESSAGE_ID;
use billing_domain::Month;
use billing_domain::invoicing::Party;
use billing_domain::ports::{DraftOutcome, FinalizeOutcome, InvoiceStore as _, PinRequest};
use billing_domain::use_cases::due;

use crate::pod::Pod;
use crate::process::{local, until};
use crate::proxy::{Mode, Proxy, Trap};
use crate::stage::{Plan, Stage};
use crate::support::{TestDatabase, account, day, now, usage};

const INVOICES: u64 = 30;
const INVOICE_STREAM: &str = "BILLING_INVOICES";
const WAITING: &str = "SELECT count(*) FROM billing.outbox WHERE published_at IS NULL";

/// Where the pod is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Boundary {
    /// Before the stream has the first event.
    Publishing,
    /// The stream has them all, and the outbox does not know it.
    Published,
}

/// Issues invoices, whose events wait in the outbox.
async fn issue(db: &TestDatabase) {
    db.add_price("STARTER", "*", "0.0125").await;
    let messages: Vec<_> = (0..INVOICES).map(|number| usage(account(number.into()), "2026-10-05T08:00:00Z")).collect();
    db.record(&messages).await;
    let period = Month::parse("2026-10").unwrap();
    let seller = Party { name: "Ghasi".into(), address: Vec::new(), tax_id: None };
    let (issue_date, due_date) = (day("2026-11-15"), day("2026-12-15"));
    let pin = PinRequest { issue_date, due_date, seller, template: "test" };
    for billable in db.worker.billable(period, None).await.unwrap() {
        let request = due(&billable, period, now()).remove(0);
        assert_eq!(db.worker.draft(&request).await.unwrap(), DraftOutcome::Drafted(request.id));
        db.worker.pin(request.id, &pin).await.unwrap().expect("a document");
        db.worker.record_pdf(request.id, [7; 32]).await.unwrap();
        assert_eq!(db.worker.finalize(request.id, now()).await.unwrap(), FinalizeOutcome::Finalized);
    }
}

/// How many messages the stream has, and their ids.
async fn published(stage: &Stage) -> (u64, BTreeSet<String>) {
    let Ok(stream) = stage.context.get_stream(INVOICE_STREAM).await else { return Default::default() };
    let state = stream.cached_info().state.clone();
    let mut ids = BTreeSet::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        ids.insert(message.headers.get(NATS_MESSAGE_ID).unwrap().to_string());
    }
    (state.messages, ids)
}

async fn killed_at(boundary: Boundary) {
    let stage = Stage::new(Plan { priced: false, ..Plan::default() }).await;
    issue(&stage.db).await;
    let database = Proxy::to(local(stage.database_port())).await;
    let nats = Proxy::to(local(stage.nats.ports[0])).await;
    let trapped = match boundary {
        Boundary::Publishing => {
            nats.arm(Trap::Sent(b"billing.invoice.generated", 0));
            &nats
        }
        Boundary::Published => {
            database.arm(Trap::Sent(b"UPDATE billing.outbox", 0));
            &database
        }
    };
    let pod = Pod::default().database_at(database.port).nats_at(nats.port).start(&stage);
    trapped.sprung().await;
    pod.kill();
    database.set(Mode::Cut);
    nats.set(Mode::Cut);
    let before = if boundary == Boundary::Published { INVOICES } else { 0 };
    assert_eq!((published(&stage).await.0, stage.db.number(WAITING).await), (before, 30), "{boundary:?}");

    // Two at once: both publish.
    let pods = [Pod::default().start(&stage), Pod::default().start(&stage)];
    until("every event has gone out", 60, async || stage.db.number(WAITING).await == 0).await;
    for pod in pods {
        pod.until_ready().await;
        pod.stop().await;
    }
    let rows = stage.db.owner.query("SELECT id::text FROM billing.invoices", &[]).await.unwrap();
    let invoices = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(published(&stage).await, (INVOICES, invoices), "{boundary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_killed_while_it_relays_doubles_no_event_and_loses_none() {
    tokio::join!(killed_at(Boundary::Publishing), killed_at(Boundary::Published));
}
