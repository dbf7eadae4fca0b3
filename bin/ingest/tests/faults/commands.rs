//! The commands of the program, each on what it has set aside itself.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::journal::{Expected, Message};
use crate::pod::Pod;
use crate::process::until;
use crate::stage::{Plan, Stage};

/// What a command prints as JSON, and its exit code.
fn asked(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let arguments = [arguments, &["--json", "--actor", "alice"]].concat();
    let (code, printed, said) = Pod::default().run(stage, &arguments);
    let objects: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(code == Some(0) || !objects.is_empty(), "{arguments:?}: {said}");
    (code, objects)
}

/// The one result of a command on one thing.
#[track_caller]
fn assert_result(stage: &Stage, arguments: &[&str], code: i32, result: &str) {
    let (found, printed) = asked(stage, arguments);
    let results: Vec<&str> = printed.iter().map(|object| object["result"].as_str().unwrap()).collect();
    assert_eq!((found, &results[..]), (Some(code), &[result][..]), "{arguments:?}: {printed:?}");
}

fn months_ago(months: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * 30 * months + 24 * 20)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quarantined_is_listed_shown_replayed_and_discarded() {
    let stage = Stage::new(Plan::default()).await;
    let mut messages = stage.messages(20).await;
    let raw = br#"{"schemaVersion":"9","to":"+994501234567"}"#;
    let aside =
        |message: &Message, reason: &str| Message { expected: Expected::Quarantined(reason.into()), ..message.clone() };
    messages[3] = Message { raw: Some(raw.to_vec()), ..aside(&messages[3], "unknown_version") };
    messages[7] = Message { raw: Some(b"no JSON".to_vec()), ..aside(&messages[7], "malformed") };
    // Too old to be billed unseen, and young enough for its claim to tell it from what was.
    messages[11] = Message { charged_at: months_ago(13), ..aside(&messages[11], "too_old") };
    let pod = Pod::default().ready(&stage).await;
    let soon = Timestamp::now() + SignedDuration::from_secs(45);
    messages[15] = Message { charged_at: soon, ..aside(&messages[15], "future") };
    stage.publish(&messages).await;
    stage.prove().await;

    let (code, listed) = asked(&stage, &["quarantine", "list"]);
    let field = |object: &Value, name: &str| object[name].as_str().unwrap().to_owned();
    let mut reasons: Vec<String> = listed.iter().map(|held| field(held, "reason")).collect();
    reasons.sort_unstable();
    assert_eq!(
        (code, reasons),
        (Some(0), ["future", "malformed", "too_old", "unknown_version"].map(String::from).to_vec())
    );
    let id = |reason: &str| listed.iter().find(|held| held["reason"] == reason).unwrap()["id"].to_string();
    let [early, malformed, old, unknown] = ["future", "malformed", "too_old", "unknown_version"].map(id);
    let (_, of_one) = asked(&stage, &["quarantine", "list", "--reason", "too_old"]);
    assert_eq!(of_one.iter().map(|held| held["id"].to_string()).collect::<String>(), old);

    assert_result(&stage, &["quarantine", "replay", &early], 2, "quarantined");
    let (code, shown) = asked(&stage, &["quarantine", "show", &unknown]);
    let content = field(&shown[0], "content");
    assert_eq!(code, Some(0));
    assert!(content.contains("schemaVersion") && !content.contains("994501234567"), "{content}");
    let (code, bytes, _) = Pod::default().run(&stage, &["quarantine", "show", &unknown, "--raw"]);
    assert_eq!((code, bytes.as_bytes()), (Some(0), &raw[..]));
    assert_result(&stage, &["quarantine", "show", "999999"], 2, "notFound");

    assert_result(&stage, &["quarantine", "replay", &malformed], 2, "quarantined");
    assert_result(&stage, &["quarantine", "replay", &old], 2, "quarantined");
    // There was no price then.
    assert_result(&stage, &["quarantine", "replay", &old, "--allow-old"], 0, "unrated");
    assert_result(&stage, &["quarantine", "replay", &old, "--allow-old"], 2, "refused");
    until("its time has come", 60, async || messages[15].charged_at < Timestamp::now()).await;
    assert_result(&stage, &["quarantine", "replay", &early], 0, "recorded");
    let recorded = format!(
        "SELECT string_agg(amount_micros::text, ',') FROM billing.billing_events WHERE message_id = '{}'",
        messages[15].id
    );
    let Expected::Rated { amount, .. } = messages[15].clone().priced().expected else { panic!("it has a price") };
    assert_eq!(stage.db.text(&recorded).await, amount.to_string());
    assert_eq!([stage.count("billing_events").await, stage.count("unrated_events").await], [17, 1]);

    assert_result(&stage, &["quarantine", "discard", &unknown, "--note", "a test of a new version"], 0, "discarded");
    assert_result(&stage, &["quarantine", "discard", &unknown, "--note", "once more"], 2, "resolved");
    assert_result(&stage, &["quarantine", "replay", &unknown], 2, "refused");
    assert_eq!(asked(&stage, &["quarantine", "list"]).1.len(), 1);
    let (_, all) = asked(&stage, &["quarantine", "list", "--all"]);
    let of_unknown = all.iter().find(|held| held["reason"] == "unknown_version").unwrap();
    assert_eq!([&of_unknown["note"], &of_unknown["resolvedBy"]], ["a test of a new version", "cli:alice"]);
    let audited = "SELECT count(DISTINCT action) FROM billing.audit_log WHERE actor LIKE 'cli:%'
        AND action IN ('read_quarantined_bytes', 'show_quarantined', 'settle_replay', 'discard_quarantined')";
    assert_eq!(stage.db.number(audited).await, 4);
    pod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_listed_filled_and_taken_off() {
    let stage = Stage::new(Plan::default()).await;
    let pod = Pod::default().ready(&stage).await;
    // A month that nobody has prepared.
    let old = months_ago(8);
    let month = old.strftime("%Y-%m").to_string();
    let messages: Vec<Message> =
        stage.messages(30).await.into_iter().map(|message| Message { charged_at: old, ..message }).collect();
    stage.publish(&messages).await;
    stage.prove().await;
    pod.stop().await;

    let (code, listed) = asked(&stage, &["partitions", "list"]);
    let in_default = listed.iter().find(|object| object.get("inDefault").is_some()).unwrap();
    assert_eq!((code, &in_default["inDefault"], &in_default["events"]), (Some(0), &month.clone().into(), &30.into()));
    let (code, moved) = asked(&stage, &["partitions", "move", "--month", &month]);
    assert_eq!((code, &moved[0]["moved"]), (Some(0), &30.into()));
    let is_attached = |listed: &[Value], month: &str| {
        listed.iter().find(|object| object["month"] == month).map(|object| object["attached"].as_bool().unwrap())
    };
    let (_, listed) = asked(&stage, &["partitions", "list"]);
    assert_eq!(is_attached(&listed, &month), Some(true));
    assert!(listed.iter().all(|object| object.get("inDefault").is_none()), "{listed:?}");

    // A month later than this one: of all that are before it, only what is 13 months past is taken off, and nothing is dropped.
    let ancient = months_ago(16).strftime("%Y-%m").to_string();
    let make = format!("SELECT billing.make_event_partitions('{ancient}-01', 1)");
    stage.db.owner.batch_execute(&make).await.unwrap();
    let before = Timestamp::now().strftime("%Y-%m").to_string();
    let (code, detached) = asked(&stage, &["partitions", "detach", "--before", &before]);
    let result = |month: &str| detached.iter().find(|object| object["month"] == month).unwrap()["result"].clone();
    assert_eq!((code, result(&ancient), result(&month)), (Some(2), "detached".into(), "tooYoung".into()));
    let (_, listed) = asked(&stage, &["partitions", "list"]);
    assert_eq!([is_attached(&listed, &ancient), is_attached(&listed, &month)], [Some(false), Some(true)]);
    assert_result(&stage, &["partitions", "detach", "--before", &ancient], 0, "none");
    stage.prove().await;
}
