//! The use cases on stores in memory: in which order things are asked, and what is believed.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use billing_domain::invoicing::{
    Disposition, Invoice, InvoiceContents, InvoiceNumber, InvoiceStatus, PinnedTerms, VoidReason,
};
use billing_domain::ports::{
    Accounts, AdminAction, ChangeOutcome, CreditNotes, DocumentStore, InvoiceRenderer, InvoiceVoider, Late, PriceAdmin,
    PriceBookCache, PriceBookStore, Snapshot, UsageLedger,
};
use billing_domain::usage::{
    AccountDirectory, Fingerprint, QuarantineReason, Receipt, ReportedUsage, UnratedReason, UnratedUsage,
};
use billing_domain::use_cases::{
    BillingError, BookSource, Delivery, Unreadable, fill_missing_costs, issue_credit_note, load_price_book,
    prepare_batch, rate_waiting,
};
use billing_domain::{AccountId, Currency, Day, InvoiceId, MinorAmount, Month, PriceBook, TenantId};
use billing_testing::{Memory, PriceBuilder, book, cost, event, price};
use jiff::Timestamp;
use uuid::Uuid;

/// A store in memory answers at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}

fn action() -> AdminAction {
    let at = Timestamp::UNIX_EPOCH;
    AdminAction { actor: "staff".into(), tenant: None, trace_id: "trace".into(), at, reason: None, idempotency: None }
}

fn add(store: &Memory, price: PriceBuilder) {
    ready(store.create_price(&price.draft(), &action())).unwrap();
}

fn load(store: &Memory, cache: &Memory, known: Option<&Arc<PriceBook>>) -> (Arc<PriceBook>, BookSource) {
    ready(load_price_book(store, cache, known.cloned())).unwrap()
}

#[test]
fn the_book_is_the_current_one_wherever_it_comes_from() {
    let (store, cache) = (Memory::default(), Memory::default());
    add(&store, price("0.01"));
    let (first, source) = load(&store, &cache, None);
    assert_eq!((first.price_count(), source), (1, BookSource::Db), "nobody has it yet");
    assert_eq!(load(&store, &cache, None), (first.clone(), BookSource::Cache), "the next pod has it from the cache");
    assert_eq!(load(&store, &cache, Some(&first)), (first.clone(), BookSource::Memory), "who has it keeps it");

    add(&store, price("0.02").tier("GROWTH"));
    let (second, source) = load(&store, &cache, Some(&first));
    assert_eq!((second.price_count(), source), (2, BookSource::Db), "a past version is loaded anew");
    // A database that was restored has a lower version.
    let newer = Arc::new(PriceBook::build(99, vec![], vec![]).unwrap());
    assert_eq!(load(&store, &cache, Some(&newer)), (second, BookSource::Cache), "and so is one that is not there yet");
}

#[test]
fn a_cache_that_is_wrong_or_fails_is_passed_by() {
    let wrong = |store: &Memory, cache: &Memory| {
        let past = book([price("0.5").build()], []);
        let snapshot = cache.snapshot(&past).unwrap();
        ready(store.pin_snapshot(2, snapshot.sha256)).unwrap();
        ready(cache.publish(&Snapshot { version: 2, ..snapshot })).unwrap();
    };
    let poisoned = |store: &Memory, cache: &Memory| {
        load(store, cache, None);
        ready(cache.publish(&Snapshot { version: 2, bytes: b"poison".to_vec(), sha256: [0; 32] })).unwrap();
    };
    let empty = |store: &Memory, _: &Memory| ready(store.pin_snapshot(2, [7; 32])).unwrap();
    let failing = |store: &Memory, cache: &Memory| {
        load(store, cache, None);
        cache.fail(Some(true));
    };
    type Breaks<'a> = (&'a str, &'a dyn Fn(&Memory, &Memory));
    let cases: [Breaks<'_>; 4] = [
        ("a book of another version", &wrong),
        ("other bytes", &poisoned),
        ("nothing", &empty),
        ("no answer", &failing),
    ];
    for (what, breaks) in cases {
        let (store, cache) = (Memory::default(), Memory::default());
        add(&store, price("0.01"));
        breaks(&store, &cache);
        let (found, source) = load(&store, &cache, None);
        assert_eq!((&*found, source), (&ready(store.book()).unwrap(), BookSource::Db), "{what}");
    }
    let (store, cache) = (Memory::default(), Memory::default());
    store.fail(Some(true));
    assert!(ready(load_price_book(&store, &cache, None)).is_err(), "without the store there is no book");
}

#[test]
fn a_batch_sorts_each_delivery_by_what_it_says() {
    let now: Timestamp = "2026-10-05T12:00:00Z".parse().unwrap();
    let (late, early) = ("2026-10-05T12:01:00Z", "2026-10-05T08:00:00Z");
    let bare = ReportedUsage { tier: None, ..event().reported() };
    let unreadable = Unreadable { reason: QuarantineReason::Malformed, detail: "no JSON".into(), account: None };
    let future = Some(QuarantineReason::Future);
    let ours = book([price("0.01").build()], []);
    for (content, published_at, expected) in [
        (Ok(event().reported()), early, (1, 0, None)),
        (Ok(event().tier("GROWTH").reported()), early, (0, 1, None)),
        (Ok(bare), early, (0, 1, None)),
        (Ok(event().at(late).reported()), early, (0, 0, future)),
        // The stream's clock is ahead of ours, and vouches for it.
        (Ok(event().at(late).reported()), late, (1, 0, None)),
        (Err(unreadable), early, (0, 0, Some(QuarantineReason::Malformed))),
    ] {
        let receipt = Receipt { sequence: 1, published_at: published_at.parse().unwrap() };
        let delivery = Delivery { receipt, raw: b"raw", content };
        let directory = AccountDirectory::new(5, []);
        let batch = prepare_batch(std::slice::from_ref(&delivery), now, &directory, &ours);
        let quarantined = batch.quarantined.first().map(|message| message.reason);
        assert_eq!((batch.rated.len(), batch.unrated.len(), quarantined), expected, "{delivery:?}");
        assert_eq!((batch.book_version, batch.directory_version), (1, 5));
    }
}

/// As many as there are, a minute apart, from a day on.
fn put_waiting(store: &Memory, first: &str, count: u32) {
    let first: Timestamp = first.parse().unwrap();
    for number in 0..count {
        let at = first + jiff::SignedDuration::from_mins(i64::from(number));
        let usage = event().at(&at.to_string()).reported();
        let receipt = Receipt { sequence: u64::from(number) + 1, published_at: at };
        let (fingerprint, tenant) = (Fingerprint::of(&usage), usage.tenant);
        store.put_waiting(UnratedUsage { receipt, fingerprint, usage, tenant, reason: UnratedReason::NoPrice });
    }
}

#[test]
fn what_waits_is_rated_on_the_days_that_a_price_covers_however_long_it_has_waited() {
    for (from, last, expected) in [
        ("2020-01-01", "2020-12-31", 4_500),
        ("2020-06-02", "2020-06-02", 1_440),
        ("2020-06-01", "2020-06-01", 1_440),
        ("2020-06-04", "2020-06-30", 180),
        ("2020-06-05", "2020-06-30", 0),
    ] {
        let store = Memory::default();
        // Three days and three hours: more than two pages.
        put_waiting(&store, "2020-06-01T00:00:00Z", 4_500);
        add(&store, price("0.01").from(from).last(last));
        let (book, directory) = (ready(store.book()).unwrap(), ready(store.directory()).unwrap());
        let swept = ready(rate_waiting(&store, &directory, &book)).unwrap();
        assert_eq!((swept.rated.messages, swept.is_complete), (expected, true), "{from} to {last}");
        assert!(swept.quarantined.is_empty(), "{:?}", swept.quarantined);
        assert_eq!(ready(store.unrated_count()).unwrap(), 4_500 - expected, "{from} to {last}");
    }
}

#[test]
fn missing_costs_are_filled_page_after_page() {
    let store = Memory::default();
    put_waiting(&store, "2026-06-01T00:00:00Z", 4_500);
    add(&store, price("0.01"));
    let (book, directory) = (ready(store.book()).unwrap(), ready(store.directory()).unwrap());
    ready(rate_waiting(&store, &directory, &book)).unwrap();
    ready(store.create_cost(&cost("0.004").draft(), &action())).unwrap();
    let past = ready(fill_missing_costs(&store, &directory, &book)).unwrap();
    assert_eq!(past, Some(Late::default()), "a past book knows no cost");
    let book = ready(store.book()).unwrap();
    for expected in [4_500, 0] {
        let filled = ready(fill_missing_costs(&store, &directory, &book)).unwrap();
        assert_eq!(filled, Some(Late { messages: expected, negative_margin: 0 }));
    }
}

/// An invoice that was issued and is void.
fn void(store: &Memory) -> Invoice {
    let currency = Currency::new("USD").unwrap();
    let day = Day::parse("2026-11-01").unwrap();
    let total = MinorAmount { minor: 1_250, currency };
    let issued = Invoice {
        id: InvoiceId(Uuid::from_u128(1)),
        tenant: TenantId(Uuid::from_u128(2)),
        account: AccountId(Uuid::from_u128(3)),
        currency,
        period: Month::parse("2026-10").unwrap(),
        status: InvoiceStatus::Finalized,
        pinned: Some(PinnedTerms { number: InvoiceNumber::new(2026, 1), issue_date: day, due_date: day }),
        messages: 1,
        segments: 1,
        subtotal: total,
        total,
        drafted_at: day.start(),
        finalized_at: Some(day.start()),
        object_key: None,
        pdf_sha256: None,
        replaces: None,
        replaced_by: None,
        voided: None,
        credit_note: None,
    };
    let id = issued.id;
    store.put_invoice(issued, InvoiceContents::default());
    let reason = VoidReason::new("wrong price").unwrap();
    let outcome = ready(store.void(id, &reason, Disposition::Rebill, &action())).unwrap();
    let ChangeOutcome::Done(voided) = outcome else { panic!("{outcome:?}") };
    voided
}

#[test]
fn a_credit_note_is_finished_wherever_it_was_left_and_never_overwrites() {
    for (what, recorded, stored, expected) in [
        ("nothing was done", None, None, Ok("ours")),
        ("recorded", Some("ours"), None, Ok("ours")),
        ("recorded and stored", Some("ours"), Some("ours"), Ok("ours")),
        ("recorded by another template", Some("other"), None, Err("the document renders differently than recorded")),
        ("recorded and stored by another template", Some("other"), Some("other"), Ok("other")),
        ("another object", None, Some("other"), Err("another object is stored at the invoice's key")),
        ("another object, recorded", Some("ours"), Some("other"), Err("another object is stored at the invoice's key")),
    ] {
        let store = Memory::default();
        let invoice = void(&store);
        let note = ready(store.credit_note(&invoice)).unwrap().unwrap();
        let ours = ready(store.render(ready(store.credit_note_document(&invoice)).unwrap().unwrap())).unwrap();
        // What another version would have made of it.
        let mut differs = ready(store.credit_note_document(&invoice)).unwrap().unwrap();
        differs.pinned.number = InvoiceNumber::new(2026, 7);
        let other = ready(store.render(differs)).unwrap();
        let of = |which| if which == "ours" { &ours } else { &other };
        if let Some(which) = recorded {
            ready(store.record_credit_note(&invoice, "template", of(which).sha256)).unwrap();
        }
        if let Some(which) = stored {
            store.put_document(&note.object_key, &of(which).bytes);
        }
        for _ in 0..2 {
            let at = Timestamp::UNIX_EPOCH;
            let finished = ready(issue_credit_note(&store, &store, &store, &invoice, at));
            let there = ready(store.get(&note.object_key)).unwrap();
            match (finished, expected) {
                (Ok(Some(note)), Ok(which)) => {
                    assert!(note.is_stored, "{what}");
                    let expected = of(which);
                    assert_eq!(
                        (there, note.pdf_sha256),
                        (Some(expected.bytes.clone()), Some(expected.sha256)),
                        "{what}"
                    );
                }
                (Err(error), Err(expected)) => {
                    assert_eq!((error.to_string().as_str(), error.is_retryable()), (expected, false), "{what}");
                    assert_eq!(there, stored.map(|which| of(which).bytes.clone()), "{what}: nothing is overwritten");
                }
                (finished, _) => panic!("{what}: {finished:?}"),
            }
        }
    }
    let store = Memory::default();
    let standing = Invoice { id: InvoiceId(Uuid::from_u128(9)), ..void(&store) };
    assert!(matches!(ready(issue_credit_note(&store, &store, &store, &standing, Timestamp::UNIX_EPOCH)), Ok(None)));
    let voided = void(&Memory::default());
    store.fail(Some(true));
    let failed = ready(issue_credit_note(&store, &store, &store, &voided, Timestamp::UNIX_EPOCH));
    assert!(matches!(failed, Err(BillingError::Port(error)) if error.retryable));
}
