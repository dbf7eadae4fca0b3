//! How many segments a text has when it is sent as SMS.
//!
//! `cargo run -p billing-domain --example count_segments`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use billing_domain::segments::{alphabet, count_segments};

fn main() {
    for (what, text, expected) in [
        ("160 letters", "a".repeat(160), 1),
        ("161 letters", "a".repeat(161), 2),
        ("160 letters, one of them not in GSM 03.38", format!("{}ş", "a".repeat(159)), 3),
        ("80 euro signs, two septets each", "€".repeat(80), 1),
        ("70 letters in Dari", "س".repeat(70), 1),
        ("71 letters in Dari", "س".repeat(71), 2),
        ("36 emoji, two units each", "😀".repeat(36), 2),
    ] {
        let segments = count_segments(&text);
        println!("{segments} {:?}: {what}", alphabet(&text));
        assert_eq!(segments, expected, "{what}");
    }
}
