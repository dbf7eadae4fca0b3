//! Any bytes at all, as a message from the stream: what is read must be what is written there.
#![no_main]

#[path = "../agreement.rs"]
mod agreement;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| agreement::check(payload));
