//! Sample invoices: each shows something that goes wrong easily. Looked at as PDF files, and walked through by tests.

use billing_domain::pricing::{AdjustmentKind, ChargeUnit};
use billing_typst::{Credited, DocumentAdjustment, DocumentLine, InvoiceDocument, Locale, Party, TaxLine};
use jiff::ToSpan;
use jiff::civil::date;

/// Every sample with its name.
pub(crate) fn all() -> [(&'static str, InvoiceDocument); 15] {
    [
        ("two-lines", two_lines()),
        ("fifteen-lines", many_lines(15)),
        ("forty-lines", many_lines(40)),
        ("two-hundred-lines", many_lines(200)),
        ("right-to-left", right_to_left()),
        ("hostile", hostile()),
        ("late-usage", late_usage()),
        ("adjustments", adjustments()),
        ("german", german()),
        ("in-your-favour", in_your_favour()),
        ("jpy", in_currency("JPY", 0)),
        ("kwd", in_currency("KWD", 3)),
        ("no-profile", no_profile()),
        (
            "credit-note",
            credit_note(adjustments(), "The price of September was mistyped; a corrected invoice follows."),
        ),
        ("credit-note-german", credit_note(german(), &"د قیمت په اړه غلطي وه، نو نوی بل به راشي. ".repeat(14))),
    ]
}

fn two_lines() -> InvoiceDocument {
    let lines = vec![line("AWCC", "MT", 12_500, 184_211, 201_904), line("Roshan", "MT", 14_000, 96_310, 98_007)];
    invoice(lines)
}

fn many_lines(count: u64) -> InvoiceDocument {
    let operators = ["AWCC", "Roshan", "MTN", "Etisalat", "Salaam"];
    let lines = (0..count)
        .map(|i| {
            let operator = operators[usize::try_from(i % 5).unwrap_or(0)];
            let price = 9_000 + i64::try_from(i).unwrap_or(0) * 137;
            line(operator, if i % 2 == 0 { "MT" } else { "MO" }, price, 1_000 + i * i * 9_377, 1_200 + i * i * 10_411)
        })
        .collect();
    let mut document = invoice(lines);
    two_taxes(&mut document);
    document
}

fn right_to_left() -> InvoiceDocument {
    let mut document = two_lines();
    document.seller.name = "د غږ مخابراتي خدمتونه".to_owned();
    document.seller.address = vec![
        "شهر نو، سرک ۱۵، خانه ۲۴".to_owned(),
        "کابل ۱۰۰۱، افغانستان".to_owned(),
        "Kabul 1001, Afghanistan".to_owned(),
    ];
    document.customer.name = "د پښتنو سوداګریزه شرکت ټولنه (ACME Kabul) ځانګړې څانګه".to_owned();
    document.customer.address = vec![
        "د ښاروالۍ سړک، ۴م پوړ، ټاکلې ودانۍ، د ژوندون کوڅه، ګڼه ۱۲ B".to_owned(),
        "جاده میوند، چهارراهی پشتونستان، کوچه‌های ژرف و پهن، شمارهٔ ۷".to_owned(),
        "مُحَمَّد عَلِي".to_owned(),
        "Jalalabad 2601".to_owned(),
    ];
    let operator = Some("افغان بیسیم".to_owned());
    let reason = Some("د لږ تر لږه میاشتني فیس".to_owned());
    document.adjustments =
        vec![DocumentAdjustment { operator, reason, ..adjustment(AdjustmentKind::MonthlyMinimum, 5_000, 5_000) }];
    add_up(&mut document);
    document.lines[1].operator = "افغان بیسیم".to_owned();
    document
}

fn hostile() -> InvoiceDocument {
    let mut document = two_lines();
    document.seller.name = "#eval(\"1\") *bold* #read(\"/etc/passwd\") $x^2$ @ref <label> `raw` \\u{41}".to_owned();
    document.seller.address = vec![
        "\u{202e}gnirts desrever\u{202c} \u{0}\u{7}\u{1b}[31m red".to_owned(),
        "#import \"@preview/cetz:0.3.0\": *".to_owned(),
        "= Heading - list + enum / term: x // comment /* c */".to_owned(),
    ];
    document.customer.name = "W".repeat(500);
    document.customer.address = vec![
        format!("Z{} algo", "\u{30d}\u{301}\u{317}".repeat(40_000)),
        "ب".repeat(500),
        "漢字仮名 😀👩‍👩‍👧 ﷽ \u{e000}".to_owned(),
        "i".repeat(500),
        "ښځ".repeat(60),
    ];
    document.customer.tax_id = Some("1".repeat(300));
    document.replaces = Some("INV-2026-000001".repeat(9));
    document.lines[0].operator = "W".repeat(64);
    document.lines[0].direction = "INTERNATIONAL".to_owned();
    document.lines[0].unit_price_micros = i64::MAX;
    document.lines[0].messages = u64::MAX;
    document.lines[0].segments = u64::MAX;
    document.lines[0].amount_minor = i128::MIN;
    document.lines[1].operator = "1".repeat(64);
    document.adjustments = vec![
        DocumentAdjustment {
            operator: Some("W".repeat(64)),
            direction: "INTERNATIONAL".to_owned(),
            units: u64::MAX,
            reason: Some("M".repeat(700)),
            ..adjustment(AdjustmentKind::MonthlyMinimum, i128::MAX, i128::MIN)
        },
        DocumentAdjustment { unit: ChargeUnit::Message, ..adjustment(AdjustmentKind::Graduated, i128::MIN, 1) },
    ];
    document.taxes =
        vec![TaxLine { label: "#strong".repeat(30), rate_percent: "1e9".to_owned(), amount_minor: i128::MAX }];
    document.total_minor = i128::MAX;
    document
}

fn late_usage() -> InvoiceDocument {
    let lines = vec![
        DocumentLine { usage_month: (2026, 9), late: true, ..line("MTN", "MT", 11_000, 310, 402) },
        DocumentLine { usage_month: (2026, 8), late: true, ..line("Salaam", "MO", 5_000, 12, 12) },
        line("AWCC", "MT", 12_500, 184_211, 201_904),
        line("Roshan", "MT", 14_000, 96_310, 98_007),
        DocumentLine { usage_month: (2026, 9), late: true, ..line("AWCC", "MT", 12_500, 54, 61) },
    ];
    let mut document = invoice(lines);
    document.adjustments = vec![
        DocumentAdjustment {
            usage_month: (2026, 9),
            reason: Some("Price of September mistyped, as agreed on 3 October".to_owned()),
            ..adjustment(AdjustmentKind::Correction, -2_210, -29_991)
        },
        adjustment(AdjustmentKind::Volume, -29_991, -29_991),
    ];
    document.replaces = Some("INV-2026-000098".to_owned());
    add_up(&mut document);
    document
}

fn adjustments() -> InvoiceDocument {
    let mut document = many_lines(5);
    let amounts = [-125_050, -88_000, -41_230, 12_725, -5_000, -71_206, 20_000, 9_900];
    document.adjustments =
        AdjustmentKind::ALL.into_iter().zip(amounts).map(|(kind, amount)| adjustment(kind, amount, amount)).collect();
    let [corrected, .., discount, _, fee] = document.adjustments.as_mut_slice() else { return document };
    corrected.reason = Some("The price of 1 to 12 October was entered as 0.0152; agreed with A. Karimi".to_owned());
    corrected.operator = None;
    (discount.operator, discount.usage_month) = (None, (2026, 9));
    (discount.due_minor, discount.amount_minor) = (-71_206, -312);
    (fee.operator, fee.unit, fee.units) = (None, ChargeUnit::Message, 0);
    two_taxes(&mut document);
    document
}

fn german() -> InvoiceDocument {
    let mut document = adjustments();
    document.locale = Locale::De;
    document.customer = Party {
        name: "Müßigmann Großhandels-GmbH & Co. KG".to_owned(),
        address: vec!["Königsallee 7".to_owned(), "40212 Düsseldorf".to_owned()],
        tax_id: Some("DE 811 907 980".to_owned()),
        account_id: document.customer.account_id.take(),
    };
    document.lines.push(DocumentLine { usage_month: (2026, 3), late: true, ..line("AWCC", "MO", 12_500, 54, 61) });
    document.replaces = Some("INV-2026-000098".to_owned());
    add_up(&mut document);
    document.taxes = vec![tax("Umsatzsteuer", "19", &document), tax("Telekommunikationsabgabe", "2.50", &document)];
    add_up(&mut document);
    document
}

/// All of it is credit, as after a correction.
fn in_your_favour() -> InvoiceDocument {
    let mut document = invoice(vec![line("AWCC", "MT", 12_500, 1_204, 1_311)]);
    let correction = adjustment(AdjustmentKind::Correction, -45_017, -45_017);
    let reason = Some("The price of September was 0.0152 instead of 0.0125".to_owned());
    document.adjustments = vec![DocumentAdjustment { usage_month: (2026, 9), reason, ..correction }];
    add_up(&mut document);
    two_taxes(&mut document);
    document
}

/// What cancels an invoice.
fn credit_note(mut document: InvoiceDocument, reason: &str) -> InvoiceDocument {
    let (invoice_number, issue_date) = (document.invoice_number, document.issue_date);
    document.credits = Some(Credited { invoice_number, issue_date, reason: reason.to_owned() });
    document.invoice_number = "CN-2026-000007".to_owned();
    document.issue_date = date(2026, 11, 12);
    document.daily.clear();
    document
}

fn in_currency(currency: &str, minor_digits: u8) -> InvoiceDocument {
    let mut lines = vec![line("AWCC", "MT", 1_250_000, 184_211, 201_904), line("Roshan", "MO", 900_500, 310, 402)];
    for line in &mut lines {
        line.amount_minor = amount(line.unit_price_micros, line.segments, minor_digits);
    }
    InvoiceDocument { currency: currency.to_owned(), minor_digits, ..invoice(lines) }
}

fn no_profile() -> InvoiceDocument {
    let mut document = two_lines();
    let account = document.customer.account_id.clone().unwrap_or_default();
    document.customer = Party { name: account.clone(), account_id: Some(account), ..Party::default() };
    document.daily.clear();
    document
}

fn invoice(lines: Vec<DocumentLine>) -> InvoiceDocument {
    let subtotal_minor = lines.iter().map(|line| line.amount_minor).sum();
    let first = date(2026, 10, 1);
    let daily =
        (0..31_u64).map(|i| (first + i.try_into().map_or(0.days(), |n: i64| n.days()), 6_000 + (i * 7_919) % 5_400));
    InvoiceDocument {
        invoice_id: "0193b2a8-7d1c-7c4e-9a52-0c1f7f9f2b11".to_owned(),
        invoice_number: "INV-2026-000123".to_owned(),
        replaces: None,
        credits: None,
        issue_date: date(2026, 11, 1),
        due_date: date(2026, 12, 1),
        period_start: first,
        period_end: date(2026, 10, 31),
        currency: "USD".to_owned(),
        minor_digits: 2,
        seller: Party {
            name: "Ghasi Communications Ltd".to_owned(),
            address: vec![
                "14 Street 15, Wazir Akbar Khan".to_owned(),
                "Kabul 1001".to_owned(),
                "Afghanistan".to_owned(),
            ],
            tax_id: Some("9004412873".to_owned()),
            account_id: None,
        },
        customer: Party {
            name: "Kabul Microfinance Bank".to_owned(),
            address: vec![
                "Accounts Payable".to_owned(),
                "7 Darulaman Road".to_owned(),
                "Kabul 1006, Afghanistan".to_owned(),
            ],
            tax_id: Some("1030774550".to_owned()),
            account_id: Some("5a0f8f5e-7f0e-4f0e-8d63-0f4d7c3d2a10".to_owned()),
        },
        lines,
        adjustments: Vec::new(),
        subtotal_minor,
        taxes: Vec::new(),
        total_minor: subtotal_minor,
        locale: Locale::En,
        daily: daily.collect(),
    }
}

fn line(operator: &str, direction: &str, unit_price_micros: i64, messages: u64, segments: u64) -> DocumentLine {
    DocumentLine {
        usage_month: (2026, 10),
        late: false,
        operator: operator.to_owned(),
        direction: direction.to_owned(),
        unit: if direction == "MT" { ChargeUnit::Segment } else { ChargeUnit::Message },
        unit_price_micros,
        messages,
        segments,
        amount_minor: amount(unit_price_micros, segments, 2),
    }
}

fn adjustment(kind: AdjustmentKind, due_minor: i128, amount_minor: i128) -> DocumentAdjustment {
    DocumentAdjustment {
        usage_month: (2026, 10),
        kind,
        operator: Some("AWCC".to_owned()),
        direction: "MT".to_owned(),
        unit: ChargeUnit::Segment,
        units: 299_911,
        due_minor,
        amount_minor,
        reason: None,
    }
}

fn amount(unit_price_micros: i64, segments: u64, minor_digits: u8) -> i128 {
    i128::from(unit_price_micros) * i128::from(segments) * 10_i128.pow(u32::from(minor_digits)) / 1_000_000
}

fn two_taxes(document: &mut InvoiceDocument) {
    add_up(document);
    document.taxes = vec![tax("Business receipts tax", "10", document), tax("Telecommunication fee", "2.50", document)];
    add_up(document);
}

fn add_up(document: &mut InvoiceDocument) {
    let lines = document.lines.iter().map(|line| line.amount_minor);
    document.subtotal_minor = lines.chain(document.adjustments.iter().map(|a| a.amount_minor)).sum();
    document.total_minor = document.subtotal_minor + document.taxes.iter().map(|t| t.amount_minor).sum::<i128>();
}

fn tax(label: &str, rate_percent: &str, document: &InvoiceDocument) -> TaxLine {
    let per_mille: i128 = match rate_percent {
        "10" => 100,
        "19" => 190,
        _ => 25,
    };
    let amount_minor = document.subtotal_minor * per_mille / 1_000;
    TaxLine { label: label.to_owned(), rate_percent: rate_percent.to_owned(), amount_minor }
}
