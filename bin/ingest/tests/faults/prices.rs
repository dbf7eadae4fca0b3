//! Prices that come late, and prices that change while usage is rated.

use billing_domain::ports::{ChangeOutcome, PriceAdmin, Refusal};
use jiff::{SignedDuration, Timestamp};

use crate::journal::{Expected, Message};
use crate::pod::Pod;
use crate::process::until;
use crate::stage::{Plan, Stage};
use crate::support::{action, price};

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_price_is_billed_once_when_it_has_one() {
    let stage = Stage::new(Plan { priced: false, ..Plan::default() }).await;
    let pods = [Pod::default().ready(&stage).await, Pod::default().ready(&stage).await];
    // All of one tier; half of it came as reports, whose account is known only after the other half.
    let mut messages = stage.messages(1_000).await;
    for (number, message) in messages.iter_mut().enumerate() {
        message.account = u32::try_from(number % 4).unwrap() * 3;
        message.report = number / 4 % 2 == 0;
        message.expected = Expected::Unrated;
    }
    stage.publish(&messages).await;
    stage.prove().await;
    assert_eq!(stage.count("unrated_events").await, 1_000);

    stage.db.add_price("STARTER", "*", "0.0125").await;
    {
        let mut journal = stage.publisher.journal.lock().await;
        for message in &mut messages {
            message.expected = Expected::Rated { amount: 12_500 * i128::from(message.segments), cost: None };
            journal.expect(message);
        }
    }
    let since = std::time::Instant::now();
    until("nothing waits for a price", 30, async || stage.count("unrated_events").await == 0).await;
    eprintln!("rated {:?} after the price", since.elapsed());
    // Again, after it was rated: nothing more.
    stage.publish(&messages.iter().cloned().map(|m| Message { dedupe: None, ..m }).collect::<Vec<_>>()).await;
    stage.prove().await;
    assert_eq!((stage.count("billing_events").await, stage.count("duplicate_messages").await), (1_000, 1_000));
    for pod in pods {
        pod.stop().await;
    }
}

/// Usage of a day and a price for this day at once: either the price comes too late and is refused, or all of the day's
/// usage has it. Earlier days keep theirs in any case.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_has_the_price_of_its_own_day() {
    let stage = Stage::new(Plan::default()).await;
    let introductions = stage.publisher.generator.lock().await.introductions();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(24 * 40);
    let known = |message| Message { charged_at: long_ago, operator: "41201", ..message }.priced();
    stage.publish(&introductions.into_iter().map(known).collect::<Vec<_>>()).await;
    let pods = [Pod::default().batch(50).ready(&stage).await, Pod::default().batch(50).ready(&stage).await];
    stage.drained().await;

    let mut current = stage.db.add_price("GROWTH", "41280", "0.020000").await;
    let (mut micros, mut changed, mut refused) = (20_000_i128, 0, 0);
    for days_ago in (1..=16).rev() {
        let charged_at = Timestamp::now() - SignedDuration::from_hours(24 * days_ago);
        let day = charged_at.to_string()[..10].to_owned();
        let mut messages = stage.messages(150).await;
        for message in &mut messages {
            *message =
                Message { account: 1 + 3 * (message.account % 10), operator: "41280", charged_at, ..message.clone() };
            message.expected = Expected::Rated { amount: micros * i128::from(message.segments), cost: None };
        }
        let wanted = 20_000 + i128::from(days_ago);
        let new = price("GROWTH", "41280", &format!("0.{wanted:06}"), &day, None);
        let old = stage.db.api.price(current).await.unwrap().unwrap();
        // Sometimes the price is first, sometimes the usage, mostly neither.
        let (price_waits, usage_waits) = {
            let mut generator = stage.publisher.generator.lock().await;
            (generator.below(60), generator.below(60))
        };
        let change = async {
            tokio::time::sleep(std::time::Duration::from_millis(price_waits)).await;
            stage.db.api.supersede_price(&old, &new, &action("finance")).await.unwrap()
        };
        let publish = async {
            tokio::time::sleep(std::time::Duration::from_millis(usage_waits)).await;
            stage.publish(&messages).await;
        };
        let (outcome, ()) = tokio::join!(change, publish);
        match outcome {
            ChangeOutcome::Done(_) => {
                (current, micros, changed) = (new.id, wanted, changed + 1);
                let mut journal = stage.publisher.journal.lock().await;
                for message in &mut messages {
                    message.expected = Expected::Rated { amount: micros * i128::from(message.segments), cost: None };
                    journal.expect(message);
                }
            }
            ChangeOutcome::Refused(Refusal::RatedUsage) => refused += 1,
            ChangeOutcome::Refused(other) => panic!("{other:?}"),
        }
    }
    stage.prove().await;
    eprintln!("{changed} prices changed, {refused} refused");
    assert!(changed > 0, "no price was changed while usage was rated");
    for pod in pods {
        pod.stop().await;
    }
}
