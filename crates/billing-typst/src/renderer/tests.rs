//! Looks at what stands on the pages: which texts, where, with which glyphs; and at the bytes of the file.

// Positions on paper are floats in the typesetter.
#![allow(clippy::float_arithmetic)]

use typst::layout::{Frame, FrameItem, Point};

use super::*;
use crate::document::TaxLine;
use crate::pdf_text;
use crate::samples;

/// Space around the text area, in points; a little less than the template has.
const MARGIN: f64 = 45.0;
/// Texts may touch by this much, in points: letters reach a little out of their line.
const TOUCH: f64 = 1.2;

/// A run of text on a page, with the corners of its ink in points.
struct Run {
    page: usize,
    text: String,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    missing_glyphs: usize,
}

fn runs(document: &InvoiceDocument) -> Vec<Run> {
    let (pages, warnings) = Renderer::new().unwrap().layout(document).unwrap();
    assert!(warnings.is_empty(), "{}", joined(&warnings));
    let mut runs = Vec::new();
    for (page, content) in pages.pages().iter().enumerate() {
        collect(&content.frame, Point::zero(), page, &mut runs);
        let (width, height) = (content.frame.width().to_pt(), content.frame.height().to_pt());
        for run in runs.iter().filter(|run| run.page == page) {
            let inside =
                run.left >= MARGIN && run.right <= width - MARGIN && run.top >= 40.0 && run.bottom <= height - 20.0;
            assert!(inside, "page {page}: {:?} leaves the text area", run.text);
        }
    }
    runs
}

fn collect(frame: &Frame, origin: Point, page: usize, runs: &mut Vec<Run>) {
    for (position, item) in frame.items() {
        let at = origin + *position;
        match item {
            FrameItem::Group(group) => {
                assert!(group.clip.is_none(), "something is clipped on page {page}");
                collect(&group.frame, at + Point::new(group.transform.tx, group.transform.ty), page, runs);
            }
            FrameItem::Text(text) => {
                let ink = text.bbox();
                if ink.min.x.to_pt().is_finite() {
                    runs.push(Run {
                        page,
                        text: text.text.to_string(),
                        left: (at.x + ink.min.x).to_pt(),
                        right: (at.x + ink.max.x).to_pt(),
                        top: (at.y + ink.min.y.min(ink.max.y)).to_pt(),
                        bottom: (at.y + ink.min.y.max(ink.max.y)).to_pt(),
                        missing_glyphs: text.glyphs.iter().filter(|glyph| glyph.id == 0).count(),
                    });
                }
            }
            _ => {}
        }
    }
}

/// All runs, one a line, without the invisible break opportunities.
fn text_of(document: &InvoiceDocument) -> String {
    let texts: Vec<String> = runs(document).into_iter().map(|run| run.text).collect();
    texts.join("\n").replace(['\u{200b}', '\u{2007}', '\u{2008}'], "")
}

/// A combining mark is a run of its own, above or below the letter that it belongs to.
fn is_mark(run: &Run) -> bool {
    run.text.chars().count() <= 3 && run.text.contains(|c| matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}'))
}

fn sample(name: &str) -> InvoiceDocument {
    samples::all().into_iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn nothing_overlaps_and_no_glyph_is_missing() {
    for (name, document) in samples::all() {
        check_overlaps(name, &runs(&document));
    }
}

fn check_overlaps(name: &str, runs: &[Run]) {
    for (i, a) in runs.iter().enumerate() {
        assert_eq!(a.missing_glyphs, 0, "{name}: {:?}", a.text);
        for b in runs.iter().skip(i + 1).filter(|b| b.page == a.page && !is_mark(a) && !is_mark(b)) {
            let across = a.right.min(b.right) - a.left.max(b.left);
            let down = a.bottom.min(b.bottom) - a.top.max(b.top);
            assert!(across < TOUCH || down < TOUCH, "{name}: {:?} and {:?} overlap", a.text, b.text);
        }
    }
}

#[test]
fn page_breaks_fall_well_at_any_length() {
    let mut document = sample("late-usage");
    let (late, on_time): (Vec<_>, Vec<_>) = document.lines.clone().into_iter().partition(|line| line.late);
    for count in 8..28 {
        document.lines = on_time.iter().cycle().take(count).chain(&late).cloned().collect();
        let runs = runs(&document);
        let page_of = |text: &str| runs.iter().rev().find(|run| run.text == text).map(|run| run.page);
        // A heading stays with its first line, a remark with its line, the total with the subtotal.
        assert_eq!(page_of("Late usage of August 2026"), page_of("Salaam"), "{count}");
        assert_eq!(page_of("Adjustments"), page_of("Corrected price"), "{count}");
        let reason = "Price of September mistyped, as agreed on 3 October";
        assert_eq!(page_of(reason), page_of("Corrected price"), "{count}");
        assert_eq!(page_of("Subtotal"), page_of("Total"), "{count}");
        check_overlaps(&format!("{count} lines"), &runs);
    }
}

fn check(name: &str, wanted: &[&str]) {
    let text = text_of(&sample(name));
    for want in wanted {
        assert!(text.contains(want), "{name}: {want:?} is not in {text}");
    }
}

#[test]
fn a_credit_note_says_what_it_credits_and_asks_for_nothing() {
    check(
        "credit-note",
        &[
            "Credit note",
            "CN-2026-000007",
            "Credits INV-2026-000123 of 1 November 2026",
            "Credit note ID",
            "Credited to",
            "Amount credited",
            "The price of September was mistyped; a corrected invoice follows.",
            "12 November 2026",
        ],
    );
    check("credit-note-german", &["Rechnungskorrektur", "Zu INV-2026-000123 vom 1. November 2026"]);
    for name in ["credit-note", "credit-note-german"] {
        let text = text_of(&sample(name));
        for absent in ["Amount due", "Due date", "Payable by", "Fällig am", "Zahlbar bis", "Invoice ID", "Rechnungs-ID"]
        {
            assert!(!text.contains(absent), "{name}: {absent:?}");
        }
    }
    // Of an invoice in the customer's favour it says so by the sign.
    let mut document = sample("credit-note");
    document.total_minor = -document.total_minor;
    let text = text_of(&document);
    assert!(text.contains("Amount credited") && !text.contains("Amount in your favour"), "{text}");
}

#[test]
fn an_invoice_says_what_it_must() {
    check(
        "two-lines",
        &[
            "INV-2026-000123",
            "Ghasi Communications Ltd",
            "Kabul Microfinance Bank",
            "1 November 2026",
            "1 December 2026",
            "1–31 October 2026",
            "AWCC",
            "MT, per segment",
            "0.0125",
            "184,211",
            "201,904",
            "2,523.80",
            "USD\u{a0}3,895.89",
            "0193b2a8-7d1c-7c4e-9a52-0c1f7f9f2b11",
            "Messages per day",
            "Page 1 of 1",
        ],
    );
    check("forty-lines", &["Page 1 of 2", "Page 2 of 2", "Business receipts tax 10 %", "Telecommunication fee 2.5 %"]);
    check(
        "late-usage",
        &["Late usage of August 2026", "Late usage of September 2026", "Replaces INV-2026-000098", "−299.91"],
    );
    check("jpy", &["JPY\u{a0}", "1.25", "0.9005"]);
    check("kwd", &["KWD\u{a0}", "1.250", "0.9005"]);
    check("no-profile", &["5a0f8f5e-7f0e-4f0e-8d63-0f4d7c3d2a10"]);
    check("right-to-left", &["د غږ مخابراتي خدمتونه", "افغان بیسیم", "ACME", "د پښتنو سوداګریزه شرکت ټولنه"]);
    assert!(!text_of(&sample("no-profile")).contains("Account"), "the id that is the name is not printed twice");
    assert!(!text_of(&sample("no-profile")).contains("Messages per day"), "no chart without data");
}

#[test]
fn adjustments_are_named_in_the_customer_s_language() {
    check(
        "adjustments",
        &[
            "Adjustments",
            "Corrected price",
            "Graduated prices",
            "Volume price",
            "Packages",
            "Free units",
            "Discount",
            "Monthly minimum",
            "Monthly fee",
            "any operator",
            "299,911 segments",
            "0 messages",
            "−1,250.50",
            "Sep 2026",
            "agreed with A. Karimi",
            "Business receipts tax 10 %",
        ],
    );
    check(
        "german",
        &[
            "Rechnung",
            "1. November 2026",
            "1.–31. Oktober 2026",
            "Zahlbar bis 1. Dezember 2026",
            "Nachträgliche Nutzung im März 2026",
            "0,0125",
            "−1.250,50",
            "299.911 Segmente",
            "Staffelpreise",
            "alle Netze",
            "MT, je Segment",
            "Umsatzsteuer 19 %",
            "Telekommunikationsabgabe",
            "Seite 1 von 2",
        ],
    );
    check("in-your-favour", &["Amount in your favour", "USD\u{a0}−488.00"]);
    let credit = text_of(&sample("in-your-favour"));
    assert!(!credit.contains("Payable by") && !credit.contains("Due date"), "nothing is to be paid: {credit}");
}

#[test]
fn the_table_header_is_on_each_page() {
    let runs = runs(&sample("forty-lines"));
    for label in ["Operator", "Service", "Unit price", "Amount"] {
        let pages: Vec<usize> = runs.iter().filter(|run| run.text == label).map(|run| run.page).collect();
        assert_eq!(pages, [0, 1], "{label}");
    }
}

#[test]
fn late_lines_come_last_by_month() {
    let text = text_of(&sample("late-usage"));
    let at = |needle: &str| text.find(needle).unwrap();
    assert!(at("Roshan") < at("Late usage of August 2026"));
    assert!(at("Late usage of August 2026") < at("Salaam"));
    assert!(at("Salaam") < at("Late usage of September 2026"));
    assert!(at("Late usage of September 2026") < at("MTN"));
}

#[test]
fn right_to_left_texts_end_at_the_right() {
    let runs = runs(&sample("right-to-left"));
    let edge =
        |start: &str| runs.iter().find(|run| run.text.starts_with(start)).map(|run| (run.left, run.right)).unwrap();
    // Two lines of one address: the shorter one begins further to the right, both end where the block does.
    let (longer, shorter) = (edge("کابل"), edge("شهر"));
    assert!((longer.1 - shorter.1).abs() < 3.0, "{longer:?} {shorter:?}");
    let name = runs.iter().find(|run| run.text.starts_with("د غږ")).unwrap();
    assert!(name.left >= MARGIN && (name.right - longer.1).abs() < 3.0);
}

#[test]
fn hostile_texts_are_printed_as_they_are() {
    let text = text_of(&sample("hostile"));
    for want in [
        "#eval(\"1\")",
        "*bold*",
        "#read(\"/etc/passwd\")",
        "$x^2$",
        "@ref",
        "<label>",
        "`raw`",
        "#import",
        "= Heading",
        "// comment",
    ] {
        assert!(text.contains(want), "{want:?} is not in {text}");
    }
    assert!(!text.contains(['\u{202e}', '\u{0}', '\u{1b}', '漢', '\u{e000}']), "{text}");
    assert!(text.contains('□'));
}

/// What a program finds in the file of an invoice whose customer has this name.
fn read_back(name: &str) -> String {
    let mut document = sample("two-lines");
    document.customer.name = name.to_owned();
    let text = pdf_text::text(&Renderer::new().unwrap().render(&document).unwrap());
    text.replace('\u{200b}', "")
}

#[test]
fn names_are_in_the_file_as_text_or_not_at_all() {
    for (name, want) in [
        ("#eval(\"1 + 1\")", "#eval(\"1 + 1\")\n"),
        ("#read(\"/etc/passwd\")", "#read(\"/etc/passwd\")\n"),
        ("#import \"@preview/x:1.0.0\"", "#import \"@preview/x:1.0.0\"\n"),
        ("#{while true {}}", "#{while true {}}\n"),
        ("*a* _b_ $c$ `d` @e <f> \\ [g]", "*a* _b_ $c$ `d` @e <f> \\ [g]\n"),
        ("{number} {{page}}", "{number} {{page}}\n"),
        ("-> => != ... -- 1/2 (c)", "-> => != ... -- 1/2 (c)\n"),
        ("a\u{0}b\u{1b}[31mc\u{9f}", "ab[31mc\n"),
        ("\u{202e}dnab\u{202c} \u{2067}x\u{2069}\u{200f}", "dnab x\n"),
        (&format!("e{}!", "\u{301}".repeat(100_000)), "!\n"),
        (&"W".repeat(500), "WWWWWWWWWWWW"),
        ("Müßigmann Ždral", "Müßigmann Ždral\n"),
        ("Ἀθήνα", "Ἀθήνα\n"),
        ("Київ", "Київ\n"),
    ] {
        let text = read_back(name);
        assert!(text.contains(want), "{want:?} is not in {text}");
        for never in ["root:", "\u{202e}", "\u{0}", "\u{1b}"] {
            assert!(!text.contains(never), "{never:?} is in {text}");
        }
    }
    let letters = |name: &str| read_back(name).matches('W').count();
    assert_eq!(letters(&"W".repeat(500)) - letters("x"), 160, "what is too long is cut off");
}

#[test]
fn the_file_says_what_the_pages_show() {
    for name in ["adjustments", "german", "forty-lines"] {
        let document = sample(name);
        let text = pdf_text::text(&Renderer::new().unwrap().render(&document).unwrap());
        for run in runs(&document) {
            let shown = run.text.trim_matches(['\u{2007}', '\u{2008}']);
            assert!(text.contains(shown), "{name}: {shown:?} is not in {text}");
        }
    }
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let renderer = Renderer::new().unwrap();
    for name in ["forty-lines", "right-to-left", "hostile"] {
        let document = sample(name);
        let first = renderer.render(&document).unwrap();
        assert!(first == renderer.render(&document).unwrap(), "{name}: twice with one renderer");
        assert!(first == Renderer::new().unwrap().render(&document).unwrap(), "{name}: with another renderer");
    }
}

/// Where another process of this test leaves its file.
const ELSEWHERE: &str = "BILLING_TEST_PDF";

#[test]
fn another_process_in_another_place_gives_the_same_bytes() {
    let here = Renderer::new().unwrap().render(&sample("german")).unwrap();
    if let Some(file) = std::env::var_os(ELSEWHERE) {
        return std::fs::write(file, here).unwrap();
    }
    let test = "renderer::tests::another_process_in_another_place_gives_the_same_bytes";
    for (zone, language) in [("Asia/Kabul", "ps_AF.UTF-8"), ("America/St_Johns", "de_DE.UTF-8")] {
        let file = std::env::temp_dir().join(format!("billing-typst-{}-{language}.pdf", std::process::id()));
        let mut process = std::process::Command::new(std::env::current_exe().unwrap());
        process.args([test, "--exact"]).env(ELSEWHERE, &file).env("TZ", zone).env("LC_ALL", language);
        process.current_dir("/").stdout(std::process::Stdio::null());
        assert!(process.status().unwrap().success());
        let there = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(there == here, "{zone} {language}");
    }
}

#[test]
fn a_template_that_fails_is_a_typed_error() {
    for (template, want) in [
        ("#let invoice(data) = panic(\"broken\")\n#let feet(data) = none", "panicked with: broken"),
        ("#let invoice(data) = data.nothing\n#let feet(data) = none", "dictionary does not contain key \"nothing\""),
        ("#let invoice(data) = { [", "unclosed delimiter"),
        ("#let invoice(data) = none\n#let feet(data) = read(\"/etc/passwd\")", "failed to load file (access denied)"),
        (
            "#let invoice(data) = { let i = 0; while i >= 0 { i += 1 } }\n#let feet(data) = none",
            "loop seems to be infinite",
        ),
    ] {
        let workshop = Workshop::with_template(template).unwrap();
        let renderer = Renderer { workshop, ..Renderer::new().unwrap() };
        let error = renderer.render(&sample("two-lines")).unwrap_err();
        assert!(matches!(&error, RenderError::Template { .. }), "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with("the template failed for invoice INV-2026-000123: ") && said.contains(want), "{said}");
    }
}

#[test]
fn threads_share_one_renderer() {
    let renderer = Renderer::new().unwrap();
    let document = sample("two-lines");
    let alone = renderer.render(&document).unwrap();
    std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4).map(|_| scope.spawn(|| renderer.render(&document).unwrap())).collect();
        for task in tasks {
            assert!(task.join().unwrap() == alone);
        }
    });
}

#[test]
fn many_invoices_after_each_other() {
    let renderer = Renderer::new().unwrap();
    let mut document = sample("two-lines");
    let mut sizes = Vec::new();
    for i in 0..50 {
        document.invoice_number = format!("INV-2026-{i:06}");
        sizes.push(renderer.render(&document).unwrap().len());
    }
    assert!(sizes.iter().all(|size| (10_000..60_000).contains(size)), "{sizes:?}");
}

#[test]
fn files_are_small() {
    let renderer = Renderer::new().unwrap();
    for (name, size_max) in [("fifteen-lines", 60_000), ("two-hundred-lines", 250_000)] {
        let size = renderer.render(&sample(name)).unwrap().len();
        assert!(size <= size_max, "{name}: {size} bytes");
    }
}

#[test]
fn the_file_is_tagged_pdf_a() {
    let pdf = Renderer::new().unwrap().render(&sample("two-lines")).unwrap();
    let pdf = crate::pack::unpacked(&pdf);
    let has = |needle: &str| pdf.windows(needle.len()).any(|window| window == needle.as_bytes());
    for needle in [
        "%PDF-1.7",
        "<pdfaid:part>3</pdfaid:part>",
        "<pdfaid:conformance>A</pdfaid:conformance>",
        "2026-11-01T00:00:00",
        "/StructTreeRoot",
        "/Lang(en)",
        "/S/Table",
        "/S/TH",
        "/Alt(QR code with the invoice id 0193b2a8-7d1c-7c4e-9a52-0c1f7f9f2b11)",
        "/Alt(Bar chart of messages per day.",
    ] {
        assert!(has(needle), "{needle}");
    }
}

#[test]
fn what_cannot_be_printed_is_refused() {
    let renderer = Renderer::new().unwrap();
    let check = |change: fn(&mut InvoiceDocument), want: &str| {
        let mut document = sample("two-lines");
        change(&mut document);
        assert_eq!(renderer.render(&document).unwrap_err().to_string(), want);
    };
    check(
        |d| d.lines = vec![d.lines[0].clone(); MAX_LINES + 1],
        "invoice INV-2026-000123 has 5001 lines, more than the 5000 that a document may hold",
    );
    check(
        |d| d.lines = vec![d.lines[0].clone(); 1_000_000],
        "invoice INV-2026-000123 has 1000000 lines, more than the 5000 that a document may hold",
    );
    check(|d| d.lines[0].usage_month.1 = 0, "invoice INV-2026-000123 cannot be printed because of its usage month");
    check(|d| d.minor_digits = 7, "invoice INV-2026-000123 cannot be printed because of its minor digits");
    check(
        |d| d.taxes = vec![TaxLine { label: "VAT".to_owned(), rate_percent: "1".to_owned(), amount_minor: 1 }; 21],
        "invoice INV-2026-000123 cannot be printed because of its number of taxes",
    );
    check(|d| d.invoice_id = "x".repeat(5_000), "invoice INV-2026-000123 cannot be printed because of its invoice id");
    // A refused document leaves the renderer as it was.
    assert!(renderer.render(&sample("two-lines")).is_ok());
}

#[test]
fn an_empty_document_is_still_a_page() {
    let mut document = sample("two-lines");
    document.lines.clear();
    document.daily.clear();
    document.seller = crate::Party::default();
    document.customer = crate::Party::default();
    document.invoice_number.clear();
    document.invoice_id.clear();
    document.currency.clear();
    document.taxes = vec![TaxLine { label: String::new(), rate_percent: String::new(), amount_minor: 0 }];
    assert!(text_of(&document).contains("Page 1 of 1"));
    assert!(Renderer::new().unwrap().render(&document).is_ok());
}
