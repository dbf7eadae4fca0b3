//! The answer to a COMMIT is lost: what was done is told all the same, and done once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_domain::ports::{ChangeOutcome, CostFilter, PriceAdmin as _};

use crate::support::{TestDatabase, action, day, price};

/// Passes everything on; once armed, cuts the connection on which the server answers a COMMIT, in the place of the answer.
fn loses_an_answer(target: String, armed: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&target).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(from, to, |_| false));
            let armed = Arc::clone(&armed);
            // The tag of the completed command.
            let is_lost = move |bytes: &[u8]| {
                bytes.windows(7).any(|part| part == b"COMMIT\0") && armed.swap(false, Ordering::SeqCst)
            };
            std::thread::spawn(move || pass(server, client, is_lost));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_lost: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if is_lost(&bytes[..read]) || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ended_is_told_although_the_answer_was_lost() {
    let db = TestDatabase::create().await;
    let running = price("STARTER", "*", "0.01", "2026-01-01", None);
    let to_come = price("GROWTH", "*", "0.01", "2027-01-01", None);
    for new in [&running, &to_come] {
        db.api.create_price(new, &action("a")).await.unwrap();
    }
    db.add_cost("op-20", "0.004").await;
    let cost = db.api.costs(&CostFilter::default(), None, 1).await.unwrap().rows.remove(0);
    let armed = Arc::new(AtomicBool::new(false));
    let (api, today) = (db.api_through(|target| loses_an_answer(target, Arc::clone(&armed))), day("2026-11-15"));
    let ends = |days: billing_domain::DayRange| days.last() == Some(today);
    for (id, is_cancelled) in [(running.id, false), (to_come.id, true)] {
        let seen = db.api.price(id).await.unwrap().unwrap();
        armed.store(true, Ordering::SeqCst);
        let outcome = api.end_price(id, Some(&seen), today, &action("a")).await.unwrap();
        assert!(!armed.load(Ordering::SeqCst), "no answer was lost");
        let ChangeOutcome::Done(ended) = outcome else { panic!("{outcome:?}") };
        assert_eq!((ends(ended.terms.days), ended.cancelled_at.is_some()), (!is_cancelled, is_cancelled));
    }
    armed.store(true, Ordering::SeqCst);
    let outcome = api.end_cost(cost.id, Some(&cost), today, &action("a")).await.unwrap();
    assert!(!armed.load(Ordering::SeqCst), "no answer was lost");
    let ChangeOutcome::Done(ended) = outcome else { panic!("{outcome:?}") };
    assert!(ends(ended.days));
    assert_eq!(db.number("SELECT count(*) FROM billing.audit_log WHERE action LIKE '%.end'").await, 3, "each once");
}
