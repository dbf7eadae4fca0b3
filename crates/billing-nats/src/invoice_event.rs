//! Events about invoices as they are on the wire.

use billing_domain::invoicing::Invoice;
use billing_domain::ports::{InvoiceEventKind, OutboxEntry};
use serde::Serialize;

use crate::OutboxMessage;
use crate::error::NatsError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    schema_version: &'static str,
    invoice_id: String,
    tenant_id: String,
    account_id: String,
    period_start: String,
    period_end: String,
    total_messages: u64,
    total_segments: u64,
    subtotal_amount: String,
    currency: &'a str,
    s3_key: Option<&'a str>,
    generated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voided_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disposition: Option<&'static str>,
}

impl OutboxMessage {
    /// The message that tells of an outbox entry.
    ///
    /// An event that an invoice was issued has the invoice's id as message id. Its voiding has `<id>-voided`: the
    /// stream would take a second message of one id within its window for a repetition.
    ///
    /// # Errors
    /// [`NatsError`] when it cannot be written as JSON.
    pub fn of(entry: &OutboxEntry) -> Result<Self, NatsError> {
        let invoice = &entry.invoice;
        let (subject, message_id) = match entry.kind {
            InvoiceEventKind::Generated => ("billing.invoice.generated", invoice.id.to_string()),
            InvoiceEventKind::Voided => ("billing.invoice.voided", format!("{}-voided", invoice.id)),
        };
        let payload = serde_json::to_vec(&event(invoice, entry.kind))
            .map_err(|error| NatsError::failed("write an event", error))?;
        Ok(Self {
            subject: subject.to_owned(),
            message_id,
            tenant: invoice.tenant.0,
            traceparent: Some(entry.traceparent.clone().unwrap_or_else(|| own_trace(invoice))),
            payload,
        })
    }
}

fn event(invoice: &Invoice, kind: InvoiceEventKind) -> Event<'_> {
    let voided = invoice.voided.as_ref().filter(|_| kind == InvoiceEventKind::Voided);
    Event {
        schema_version: "1",
        invoice_id: invoice.id.to_string(),
        tenant_id: invoice.tenant.to_string(),
        account_id: invoice.account.to_string(),
        period_start: invoice.period.first_day().to_string(),
        period_end: invoice.period.last_day().to_string(),
        total_messages: invoice.messages,
        total_segments: invoice.segments,
        subtotal_amount: invoice.subtotal.to_string(),
        currency: invoice.currency.code(),
        s3_key: invoice.object_key.as_deref(),
        generated_at: invoice.finalized_at.map(|at| at.to_string()),
        voided_at: voided.map(|voided| voided.at.to_string()),
        disposition: voided.map(|voided| voided.disposition.name()),
    }
}

/// A run has no caller: its events begin a trace that is named by the invoice, the same however often they are told.
fn own_trace(invoice: &Invoice) -> String {
    let id = invoice.id.0.simple().to_string();
    format!("00-{id}-{}-01", &id[..16])
}

#[cfg(test)]
mod tests {
    use billing_domain::invoicing::{Disposition, InvoiceStatus, Voided};
    use billing_domain::{AccountId, Currency, InvoiceId, MinorAmount, Month, TenantId};
    use uuid::Uuid;

    use super::*;

    fn invoice() -> Invoice {
        let currency = Currency::new("USD").unwrap();
        Invoice {
            id: InvoiceId(Uuid::from_u128(0xabc)),
            tenant: TenantId(Uuid::from_u128(2)),
            account: AccountId(Uuid::from_u128(3)),
            currency,
            period: Month::parse("2026-10").unwrap(),
            status: InvoiceStatus::Void,
            pinned: None,
            messages: 5,
            segments: 7,
            subtotal: MinorAmount { minor: 1_250, currency },
            total: MinorAmount { minor: 1_250, currency },
            drafted_at: "2026-11-01T00:05:00Z".parse().unwrap(),
            finalized_at: Some("2026-11-01T00:05:01Z".parse().unwrap()),
            object_key: Some("invoices/a/2026-10/b.pdf".into()),
            pdf_sha256: None,
            replaces: None,
            replaced_by: None,
            voided: Some(Voided {
                at: "2026-11-02T00:00:00Z".parse().unwrap(),
                by: "finance".into(),
                reason: "secret words".into(),
                disposition: Disposition::Rebill,
            }),
            credit_note: None,
        }
    }

    #[test]
    fn each_kind_has_its_subject_id_and_fields() {
        let id = invoice().id;
        for (kind, subject, message_id, voided_at) in [
            (InvoiceEventKind::Generated, "billing.invoice.generated", id.to_string(), None),
            (InvoiceEventKind::Voided, "billing.invoice.voided", format!("{id}-voided"), Some("2026-11-02T00:00:00Z")),
        ] {
            let entry = OutboxEntry { position: 1, kind, invoice: invoice(), traceparent: None };
            let message = OutboxMessage::of(&entry).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!((message.subject.as_str(), message.message_id), (subject, message_id));
            assert_eq!(json["voidedAt"].as_str(), voided_at);
            assert_eq!(json["subtotalAmount"], "12.50");
            assert_eq!((&json["periodStart"], &json["periodEnd"]), (&"2026-10-01".into(), &"2026-10-31".into()));
            assert_eq!(json["generatedAt"], "2026-11-01T00:05:01Z");
            assert!(!json.to_string().contains("secret words"));
            let trace = message.traceparent.unwrap();
            assert_eq!((trace.len(), &trace[..3]), (55, "00-"));
        }
    }
}
