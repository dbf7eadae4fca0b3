//! invoice-cron.
fn main() {}
