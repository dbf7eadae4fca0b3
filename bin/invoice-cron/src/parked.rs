//! `invoice-cron parked`: the drafts that could not be finished, since when and why, as a table or as JSON. Nothing is
//! changed: the next run tries them again.

use std::io::Write;

use billing_domain::ports::ParkedDraft;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    invoice_id: String,
    account_id: String,
    period: String,
    currency: String,
    invoice_number: Option<String>,
    parked_since: Option<String>,
    reason: String,
}

impl Row {
    fn of(draft: &ParkedDraft) -> Self {
        Self {
            invoice_id: draft.invoice.to_string(),
            account_id: draft.account.to_string(),
            period: draft.period.to_string(),
            currency: draft.currency.to_string(),
            invoice_number: draft.number.map(|number| number.to_string()),
            parked_since: draft.since.map(|since| since.to_string()),
            reason: draft.reason.clone(),
        }
    }

    /// Control characters would break the table, or the terminal.
    fn cells(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        [
            self.invoice_id.clone(),
            self.account_id.clone(),
            self.period.clone(),
            self.currency.clone(),
            self.invoice_number.clone().unwrap_or_else(dash),
            self.parked_since.clone().unwrap_or_else(dash),
            self.reason.replace(char::is_control, " "),
        ]
    }
}

/// Prints them, oldest month first.
pub(crate) fn print(drafts: &[ParkedDraft], as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let rows: Vec<Row> = drafts.iter().map(Row::of).collect();
    if as_json {
        serde_json::to_writer(&mut *out, &rows)?;
        return Ok(writeln!(out)?);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "nothing is parked")?);
    }
    let head = ["INVOICE", "ACCOUNT", "PERIOD", "CURRENCY", "NUMBER", "SINCE", "REASON"].map(str::to_owned);
    for [invoice, account, period, currency, number, since, reason] in
        std::iter::once(head).chain(rows.iter().map(Row::cells))
    {
        let line =
            format!("{invoice:<36}  {account:<36}  {period:<7}  {currency:<8}  {number:<15}  {since:<27}  {reason}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use billing_domain::invoicing::InvoiceNumber;
    use billing_domain::{AccountId, Currency, InvoiceId, Month};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_line_for_each_draft_or_an_array() {
        let parked = |number, since: Option<&str>, reason: &str| ParkedDraft {
            invoice: InvoiceId(Uuid::from_u128(1)),
            account: AccountId(Uuid::from_u128(2)),
            period: Month::parse("2026-10").unwrap(),
            currency: Currency::new("USD").unwrap(),
            number,
            since: since.map(|since| since.parse().unwrap()),
            reason: reason.into(),
        };
        let drafts = [
            parked(Some(InvoiceNumber::new(2026, 7)), Some("2026-11-01T00:05:12.5Z"), "the store\u{1b}[31m is away\n"),
            parked(None, None, "no number"),
        ];
        let shown = |drafts: &[ParkedDraft], as_json| {
            let mut out = Vec::new();
            print(drafts, as_json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(&drafts, false),
            "\
INVOICE                               ACCOUNT                               PERIOD   CURRENCY  NUMBER           SINCE                        REASON
00000000-0000-0000-0000-000000000001  00000000-0000-0000-0000-000000000002  2026-10  USD       INV-2026-000007  2026-11-01T00:05:12.5Z       the store [31m is away
00000000-0000-0000-0000-000000000001  00000000-0000-0000-0000-000000000002  2026-10  USD       -                -                            no number
"
        );
        let json: serde_json::Value = serde_json::from_str(&shown(&drafts, true)).unwrap();
        assert_eq!((&json[0]["invoiceNumber"], &json[1]["invoiceNumber"]), (&"INV-2026-000007".into(), &().into()));
        assert_eq!(
            (&json[0]["parkedSince"], &json[0]["period"]),
            (&"2026-11-01T00:05:12.5Z".into(), &"2026-10".into())
        );
        assert_eq!((shown(&[], false).as_str(), shown(&[], true).as_str()), ("nothing is parked\n", "[]\n"));
    }
}
