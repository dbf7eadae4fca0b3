//! Monthly terms, corrections and taxes on a real server: however a month is billed, it ends at one cent.

use crate::proofs::assert_recounts;
use crate::support::{TestDatabase, account, action, day, now, price, usage};
use billing_domain::invoicing::{Disposition, Party, VoidReason};
use billing_domain::ports::{
    AdminAction, ChangeOutcome, CorrectionEffect, DraftOutcome, FinalizeOutcome, InvoiceReader, InvoiceStore,
    InvoiceVoider, NewPrice, PinRequest, PriceAdmin, PriceCorrections, Refusal,
};
use billing_domain::pricing::{
    Correction, CorrectionError, Discount, MonthlyTerms, Package, PriceTerms, PricingModel, Step, Steps,
};
use billing_domain::use_cases::due;
use billing_domain::{AccountId, CorrectionId, DayRange, InvoiceId, Micros, Month, PriceId};
use uuid::Uuid;

fn micros(text: &str) -> Micros {
    Micros::parse(text).unwrap()
}

async fn add(db: &TestDatabase, change: impl FnOnce(&mut PriceTerms)) -> PriceId {
    let mut new: NewPrice = price("STARTER", "*", "0.01", "2026-01-01", None);
    change(&mut new.terms);
    let made = db.api.create_price(&new, &action("admin")).await.unwrap();
    let ChangeOutcome::Done(made) = made else { panic!("{made:?}") };
    assert_eq!(made.terms, new.terms, "what is stored is what was made");
    new.id
}

/// `messages` of two segments each.
async fn used(db: &TestDatabase, of: AccountId, at: &str, messages: usize) {
    db.record(&(0..messages).map(|_| usage(of, at)).collect::<Vec<_>>()).await;
}

/// Bills everything that is due; what each invoice is made of, in short.
async fn bill(db: &TestDatabase, period: &str) -> Vec<(InvoiceId, String)> {
    let period = Month::parse(period).unwrap();
    let mut issued = Vec::new();
    for request in db.worker.billable(period, None).await.unwrap().iter().flat_map(|b| due(b, period, now())) {
        let preview = db.worker.preview(&request).await.unwrap();
        let DraftOutcome::Drafted(id) = db.worker.draft(&request).await.unwrap() else { continue };
        let seller = Party { name: "Ghasi".into(), address: vec!["Kabul".into()], tax_id: None };
        let pin = PinRequest { issue_date: day("2026-11-15"), due_date: day("2026-12-15"), seller, template: "test" };
        let document = db.worker.pin(id, &pin).await.unwrap().expect("a document");
        db.worker.record_pdf(id, [7; 32]).await.unwrap();
        assert_eq!(db.worker.finalize(id, now()).await.unwrap(), FinalizeOutcome::Finalized);
        let (invoice, made_of) = db.api.invoice(id, None).await.unwrap().unwrap();
        assert_eq!(made_of, preview, "a preview is what the draft becomes");
        assert_eq!(document.adjustments.len(), made_of.adjustments.len());
        issued.push((id, shown(&invoice, &made_of)));
    }
    // Whatever happened since an invoice was drafted, it is what its events made of it then.
    assert_recounts(db).await;
    issued
}

fn shown(invoice: &billing_domain::invoicing::Invoice, made_of: &billing_domain::invoicing::InvoiceContents) -> String {
    let lines = made_of.lines.iter().map(|line| format!("{} {}", line.usage_month, line.amount));
    let adjustments = made_of.adjustments.iter().map(|a| format!("{} {} {}", a.usage_month, a.kind.name(), a.amount));
    let taxes = made_of.taxes.iter().map(|tax| format!("{} {}", tax.name, tax.amount));
    let parts: Vec<_> = lines.chain(adjustments).chain(taxes).collect();
    format!("{} = {} / {}", parts.join(" + "), invoice.subtotal, invoice.total)
}

async fn void(db: &TestDatabase, id: InvoiceId) {
    let call = AdminAction { actor: format!("finance-{}", Uuid::new_v4()), ..action("finance") };
    let outcome = db.api.void(id, &VoidReason::new("wrong").unwrap(), Disposition::Rebill, &call).await.unwrap();
    assert!(matches!(outcome, ChangeOutcome::Done(_)), "{outcome:?}");
}

fn texts(issued: &[(InvoiceId, String)]) -> Vec<&str> {
    issued.iter().map(|(_, text)| text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_monthly_term_is_an_adjustment() {
    let step = |above, price| Step { above, unit_price: micros(price) };
    let steps = || Steps::new(vec![step(10, "0.005"), step(100, "0.001")]).unwrap();
    for (model, monthly, expected) in [
        (PricingModel::PerSegment, MonthlyTerms::default(), "2026-10 0.20 = 0.20 / 0.20"),
        (
            PricingModel::Graduated(steps()),
            MonthlyTerms::default(),
            "2026-10 0.20 + 2026-10 GRADUATED -0.05 = 0.15 / 0.15",
        ),
        (PricingModel::Volume(steps()), MonthlyTerms::default(), "2026-10 0.20 + 2026-10 VOLUME -0.10 = 0.10 / 0.10"),
        (
            PricingModel::Package(Package::new(15, micros("1.5")).unwrap()),
            MonthlyTerms::default(),
            "2026-10 0.20 + 2026-10 PACKAGE 2.80 = 3.00 / 3.00",
        ),
        (
            PricingModel::FlatPerMessage,
            MonthlyTerms {
                free_units: 4,
                discount: Discount::from_basis_points(5_000).unwrap(),
                minimum: micros("1"),
                fee: micros("9.99"),
            },
            "2026-10 0.10 + 2026-10 FREE_UNITS -0.04 + 2026-10 DISCOUNT -0.03 + 2026-10 MONTHLY_MINIMUM 0.97 + \
             2026-10 MONTHLY_FEE 9.99 = 10.99 / 10.99",
        ),
    ] {
        let db = TestDatabase::create().await;
        add(&db, |terms| (terms.model, terms.monthly) = (model, monthly)).await;
        used(&db, account(1), "2026-10-05T08:00:00Z", 10).await;
        assert_eq!(texts(&bill(&db, "2026-10").await), [expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_and_a_reissue_end_at_the_same_cent() {
    let db = TestDatabase::create().await;
    let steps = Steps::new(vec![Step { above: 15, unit_price: micros("0.003") }]).unwrap();
    add(&db, |terms| {
        terms.model = PricingModel::Graduated(steps);
        terms.unit_price = micros("0.0125");
        terms.monthly.fee = micros("5");
    })
    .await;
    used(&db, account(1), "2026-10-05T08:00:00Z", 5).await;
    let first = bill(&db, "2026-10").await;
    assert_eq!(texts(&first), ["2026-10 0.13 + 2026-10 MONTHLY_FEE 5.00 = 5.13 / 5.13"]);
    // Ten late segments: 20 in all cost 15 × 0.0125 + 5 × 0.003 = 0.2025, of which 0.13 was asked for.
    used(&db, account(1), "2026-10-06T08:00:00Z", 5).await;
    used(&db, account(1), "2026-11-06T08:00:00Z", 5).await;
    let second = bill(&db, "2026-11").await;
    assert_eq!(
        texts(&second),
        ["2026-10 0.12 + 2026-11 0.13 + 2026-10 GRADUATED -0.05 + 2026-11 MONTHLY_FEE 5.00 = 5.20 / 5.20"]
    );
    // Voided and issued again, October asks for what November's invoice does not ask for it.
    void(&db, first[0].0).await;
    assert_eq!(texts(&bill(&db, "2026-11").await), ["2026-10 0.13 + 2026-10 MONTHLY_FEE 5.00 = 5.13 / 5.13"]);
    void(&db, second[0].0).await;
    assert_eq!(
        texts(&bill(&db, "2026-11").await),
        ["2026-10 0.12 + 2026-11 0.13 + 2026-10 GRADUATED -0.05 + 2026-11 MONTHLY_FEE 5.00 = 5.20 / 5.20"]
    );
    assert_eq!(texts(&bill(&db, "2026-11").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_is_due_without_usage_and_only_once() {
    let db = TestDatabase::create().await;
    add(&db, |terms| terms.days = DayRange::inclusive(day("2026-01-01"), None).unwrap()).await;
    used(&db, account(1), "2026-09-05T08:00:00Z", 10).await;
    used(&db, account(2), "2026-09-05T08:00:00Z", 10).await;
    assert_eq!(bill(&db, "2026-09").await.len(), 2);
    add(&db, |terms| {
        terms.account = Some(account(1));
        terms.monthly.fee = micros("10");
        terms.days = DayRange::inclusive(day("2026-10-11"), None).unwrap();
    })
    .await;
    // 21 of 31 days.
    assert_eq!(texts(&bill(&db, "2026-10").await), ["2026-10 MONTHLY_FEE 6.77 = 6.77 / 6.77"]);
    assert_eq!(texts(&bill(&db, "2026-10").await), [""; 0]);
    // A missed month is caught up.
    assert_eq!(
        texts(&bill(&db, "2026-12").await),
        ["2026-11 MONTHLY_FEE 10.00 = 10.00 / 10.00", "2026-12 MONTHLY_FEE 10.00 = 10.00 / 10.00"]
    );
}

fn correction(of: PriceId, days: (&str, &str), unit_price: &str) -> Correction {
    Correction {
        id: CorrectionId(Uuid::new_v4()),
        price: of,
        days: DayRange::inclusive(day(days.0), Some(day(days.1))).unwrap(),
        unit_price: micros(unit_price),
        model: PricingModel::PerSegment,
        reason: "typed wrongly".into(),
        created_by: "finance".into(),
        created_at: now(),
    }
}

fn effect(outcome: ChangeOutcome<CorrectionEffect>) -> Vec<String> {
    let ChangeOutcome::Done(effect) = outcome else { panic!("{outcome:?}") };
    let shown = effect.deltas.iter().map(|d| format!("{} {} {} -> {}", d.month, d.units, d.before, d.after));
    shown.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_goes_on_the_next_invoice_and_changes_nothing_that_stands() {
    let db = TestDatabase::create().await;
    let wrong = add(&db, |_| ()).await;
    used(&db, account(1), "2026-09-05T08:00:00Z", 100).await;
    used(&db, account(1), "2026-10-05T08:00:00Z", 50).await;
    used(&db, account(2), "2026-10-05T08:00:00Z", 50).await;
    let first = bill(&db, "2026-10").await;
    assert_eq!(
        texts(&first),
        ["2026-09 2.00 = 2.00 / 2.00", "2026-10 1.00 = 1.00 / 1.00", "2026-10 1.00 = 1.00 / 1.00"]
    );

    let right = correction(wrong, ("2026-09-01", "2026-10-31"), "0.008");
    let expected = ["2026-09 200 2.00 -> 1.60", "2026-10 100 1.00 -> 0.80", "2026-10 100 1.00 -> 0.80"];
    assert_eq!(effect(db.api.preview_correction(&right).await.unwrap()), expected);
    assert_eq!(db.number("SELECT count(*) FROM billing.price_corrections").await, 0, "a preview writes nothing");
    // The same call again, as after a lost answer, is the same correction.
    for _ in 0..2 {
        assert_eq!(effect(db.api.correct_price(&right, &action("finance")).await.unwrap()), expected);
    }
    assert_eq!(db.number("SELECT count(*) FROM billing.price_corrections").await, 1);
    assert_eq!(db.api.corrections(Some(wrong), None, 10).await.unwrap().rows, std::slice::from_ref(&right));

    used(&db, account(1), "2026-11-05T08:00:00Z", 50).await;
    let second = bill(&db, "2026-11").await;
    let credits = "2026-09 CORRECTION -0.40 + 2026-10 CORRECTION -0.20";
    assert_eq!(
        texts(&second),
        [format!("2026-11 1.00 + {credits} = 0.40 / 0.40"), "2026-10 CORRECTION -0.20 = -0.20 / -0.20".into()]
    );
    assert_eq!(texts(&bill(&db, "2026-11").await), [""; 0], "a correction is settled once");
    // The invoice that asked for it is void: the next one asks.
    void(&db, second[1].0).await;
    assert_eq!(texts(&bill(&db, "2026-11").await), ["2026-10 CORRECTION -0.20 = -0.20 / -0.20"]);
    // Back to what was wrong: of two corrections of a day the later holds.
    let back = Correction {
        created_at: now() + std::time::Duration::from_secs(1),
        ..correction(wrong, ("2026-10-01", "2026-10-31"), "0.01")
    };
    effect(db.api.correct_price(&back, &action("finance")).await.unwrap());
    assert_eq!(texts(&bill(&db, "2026-12").await), ["2026-10 CORRECTION 0.20 = 0.20 / 0.20"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_that_do_not_fit_are_refused() {
    let db = TestDatabase::create().await;
    let of = add(&db, |terms| terms.days = DayRange::inclusive(day("2026-06-01"), None).unwrap()).await;
    let stepped = Steps::new(vec![Step { above: 1, unit_price: micros("1") }]).unwrap();
    for (wrong, expected) in [
        (correction(PriceId(Uuid::nil()), ("2026-09-01", "2026-09-02"), "1"), Refusal::NotFound),
        (correction(of, ("2026-05-31", "2026-09-02"), "1"), Refusal::Correction(CorrectionError::OutsidePrice)),
        (correction(of, ("2026-11-01", "2026-11-16"), "1"), Refusal::Correction(CorrectionError::Future)),
        (
            Correction { model: PricingModel::Volume(stepped), ..correction(of, ("2026-09-01", "2026-09-02"), "1") },
            Refusal::Correction(CorrectionError::OtherModel),
        ),
    ] {
        let refused = ChangeOutcome::Refused(expected);
        assert_eq!(db.api.preview_correction(&wrong).await.unwrap(), refused);
        assert_eq!(db.api.correct_price(&wrong, &action("finance")).await.unwrap(), refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn taxes_are_of_the_period_s_last_day_and_the_customer_of_the_day_of_issue() {
    let db = TestDatabase::create().await;
    add(&db, |terms| terms.unit_price = micros("1.05")).await;
    used(&db, account(1), "2026-10-05T08:00:00Z", 5).await;
    db.owner
        .batch_execute(
            "SET ROLE billing_worker; INSERT INTO billing.account_parties (account_id, tenant_id, effective_from,
                legal_name, address, tax_names, tax_rates)
            SELECT account_id, tenant_id, d::date, 'Name of ' || d, '{}', ARRAY['VAT', 'Levy'], ARRAY[r, 5000]
            FROM billing.accounts, (VALUES ('2026-10-31', 190000), ('2026-11-01', 200000)) AS v (d, r);
            RESET ROLE",
        )
        .await
        .unwrap();
    let issued = bill(&db, "2026-10").await;
    // 19 % of 10.50 is 1.995, half a percent 0.0525.
    assert_eq!(texts(&issued), ["2026-10 10.50 + VAT 2.00 + Levy 0.05 = 10.50 / 12.55"]);
    let name = db.text("SELECT customer_name FROM billing.invoices").await;
    assert_eq!(name, "Name of 2026-11-01");
}
