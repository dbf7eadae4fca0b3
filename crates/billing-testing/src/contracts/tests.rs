//! The fakes keep the contracts, and a fake that breaks one promise is found out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::Memory;
use crate::memory::Flaw;

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

#[derive(Clone, Copy, Debug)]
enum Suite {
    UsageLedger,
    Prices,
    PriceBookCache,
    Documents,
    Accounts,
    Corrections,
    Margins,
    Quarantine,
}

fn run(suite: Suite, make: impl Fn() -> Memory) {
    let fresh = async || Fresh::of(make());
    match suite {
        Suite::UsageLedger => block_on(usage_ledger(fresh)),
        Suite::Prices => block_on(prices(fresh)),
        Suite::PriceBookCache => block_on(price_book_cache(async || make())),
        Suite::Documents => block_on(documents(async || make())),
        Suite::Accounts => block_on(accounts(fresh)),
        Suite::Corrections => block_on(corrections(fresh)),
        Suite::Margins => block_on(margins(fresh)),
        Suite::Quarantine => block_on(quarantine(fresh)),
    }
}

#[test]
fn the_fakes_keep_every_contract() {
    for suite in [
        Suite::UsageLedger,
        Suite::Prices,
        Suite::PriceBookCache,
        Suite::Documents,
        Suite::Accounts,
        Suite::Corrections,
        Suite::Margins,
        Suite::Quarantine,
    ] {
        run(suite, Memory::default);
    }
}

#[test]
fn a_broken_promise_is_found_out() {
    for (suite, flaw, promise) in [
        (Suite::UsageLedger, Flaw::ForgetsClaims, "is nothing new"),
        (Suite::UsageLedger, Flaw::ForgetsWhatIsAside, "a duplicate once"),
        (Suite::UsageLedger, Flaw::RatesAtAnyVersion, "a price has changed since"),
        (Suite::UsageLedger, Flaw::RatesWhatIsGone, "what was rated does not wait any more"),
        (Suite::UsageLedger, Flaw::CostsTwice, "of two at once each cost is filled by one"),
        (Suite::Prices, Flaw::OverlapsPrices, "periods of one key do not overlap"),
        (Suite::Prices, Flaw::ForgetsKeys, "one key has one effect"),
        (Suite::Prices, Flaw::KeepsVersion, "a change gives the next version"),
        (Suite::Prices, Flaw::LosesUpdates, "what was seen otherwise stays"),
        (Suite::Accounts, Flaw::LosesUpdates, "what was seen otherwise stays"),
        (Suite::PriceBookCache, Flaw::BelievesTheCache, "another hash or version is not there"),
        (Suite::Documents, Flaw::OverwritesDocuments, "another one is refused"),
        (Suite::Accounts, Flaw::LearnsEverything, "what is no news gives no version"),
        (Suite::Accounts, Flaw::TakesOtherTenants, "nor do staff move an account"),
        (Suite::Corrections, Flaw::WritesPreviews, "a preview writes nothing"),
        (Suite::Margins, Flaw::TakesCostsForNothing, "what has no cost is named"),
        (Suite::Quarantine, Flaw::ShowsBytes, "what could be a phone number is not shown"),
        (Suite::Quarantine, Flaw::ReopensTheClosed, "what is discarded is closed for good"),
    ] {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(suite, || Memory::flawed(flaw))));
        let said = outcome.expect_err("a broken promise ends the suite");
        let text = said.downcast_ref::<String>().map(String::as_str);
        let said = text.or_else(|| said.downcast_ref::<&str>().copied()).unwrap_or_default();
        assert!(said.contains(promise), "{suite:?} {flaw:?}: {said}");
    }
}
