//! Sample invoices: each shows something that goes wrong easily. Looked at as PDF files, and walked through by tests.

use billing_typst::{DocumentLine, InvoiceDocument, Locale, Party, TaxLine};
use jiff::ToSpan;
use jiff::civil::date;

/// Every sample with its name.
pub(crate) fn all() -> [(&'static str, InvoiceDocument); 8] {
    [
        ("two-lines", two_lines()),
        ("forty-lines", forty_lines()),
        ("right-to-left", right_to_left()),
        ("hostile", hostile()),
        ("late-usage", late_usage()),
        ("jpy", in_currency("JPY", 0)),
        ("kwd", in_currency("KWD", 3)),
        ("no-profile", no_profile()),
    ]
}

fn two_lines() -> InvoiceDocument {
    let lines = vec![line("AWCC", "MT", 12_500, 184_211, 201_904), line("Roshan", "MT", 14_000, 96_310, 98_007)];
    invoice(lines)
}

fn forty_lines() -> InvoiceDocument {
    let operators = ["AWCC", "Roshan", "MTN", "Etisalat", "Salaam"];
    let lines = (0..40_u64)
        .map(|i| {
            let operator = operators[usize::try_from(i % 5).unwrap_or(0)];
            let price = 9_000 + i64::try_from(i).unwrap_or(0) * 137;
            line(operator, if i % 2 == 0 { "MT" } else { "MO" }, price, 1_000 + i * i * 9_377, 1_200 + i * i * 10_411)
        })
        .collect();
    let mut document = invoice(lines);
    document.taxes =
        vec![tax("Business receipts tax", "10", &document), tax("Telecommunication fee", "2.50", &document)];
    document.total_minor += document.taxes.iter().map(|t| t.amount_minor).sum::<i128>();
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
    document.lines[0].description = Some("د لږ تر لږه میاشتني فیس".to_owned());
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
    document.lines[0].pricing_model = "SOMETHING_ELSE_ENTIRELY_NEW".to_owned();
    document.lines[0].direction = "INTERNATIONAL".to_owned();
    document.lines[0].unit_price_micros = i64::MAX;
    document.lines[0].messages = u64::MAX;
    document.lines[0].segments = u64::MAX;
    document.lines[0].amount_minor = i128::MIN;
    document.lines[1].description = Some("M".repeat(300));
    document.lines[1].operator = "1".repeat(64);
    document.taxes =
        vec![TaxLine { label: "#strong".repeat(30), rate_percent: "1e9".to_owned(), amount_minor: i128::MAX }];
    document.total_minor = i128::MAX;
    document
}

fn late_usage() -> InvoiceDocument {
    let mut lines = vec![
        DocumentLine { usage_month: (2026, 9), late: true, ..line("MTN", "MT", 11_000, 310, 402) },
        DocumentLine { usage_month: (2026, 8), late: true, ..line("Salaam", "MO", 5_000, 12, 12) },
        line("AWCC", "MT", 12_500, 184_211, 201_904),
        line("Roshan", "MT", 14_000, 96_310, 98_007),
        DocumentLine { usage_month: (2026, 9), late: true, ..line("AWCC", "MT", 12_500, 54, 61) },
        DocumentLine {
            description: Some("Volume discount from 250,000 segments".to_owned()),
            ..line("*", "MT", -1_000, 0, 299_911)
        },
    ];
    lines[5].pricing_model = "VOLUME".to_owned();
    let mut document = invoice(lines);
    document.replaces = Some("INV-2026-000098".to_owned());
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
        pricing_model: if direction == "MT" { "PER_SEGMENT" } else { "FLAT_PER_MESSAGE" }.to_owned(),
        unit_price_micros,
        messages,
        segments,
        amount_minor: amount(unit_price_micros, segments, 2),
        description: None,
    }
}

fn amount(unit_price_micros: i64, segments: u64, minor_digits: u8) -> i128 {
    i128::from(unit_price_micros) * i128::from(segments) * 10_i128.pow(u32::from(minor_digits)) / 1_000_000
}

fn tax(label: &str, rate_percent: &str, document: &InvoiceDocument) -> TaxLine {
    let per_mille: i128 = if rate_percent == "10" { 100 } else { 25 };
    let amount_minor = document.subtotal_minor * per_mille / 1_000;
    TaxLine { label: label.to_owned(), rate_percent: rate_percent.to_owned(), amount_minor }
}
