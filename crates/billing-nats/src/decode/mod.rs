//! From a message's bytes to usage, or to the reason why it is none. Writes nothing and knows no price.
//!
//! Two producers' shapes are understood: `billing.message.charged.v1`, which says everything, and `DLR_TERMINAL`,
//! whose tenant stands in a header and whose tier and currency are the account's. Fields that are not known are
//! passed over; what is known must be exactly right. No error quotes the message: it may hold personal data.

mod fields;
mod names;
mod values;

use std::borrow::Cow;

use async_nats::header::HeaderName;
use billing_domain::usage::{Direction, QuarantineReason, ReportedUsage};
use billing_domain::use_cases::Unreadable;
use billing_domain::{AccountId, MessageId, TenantId};
use uuid::Uuid;

use fields::{Field, Fields};
pub(crate) use names::Names;
use values::Is;

/// The header that names the tenant.
pub(crate) const TENANT_HEADER: HeaderName = HeaderName::from_static("X-Tenant-Id");
/// A larger message is not read. A charged event has about 350 bytes.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// The event type of delivery reports.
const DLR_TERMINAL: &str = "DLR_TERMINAL";
/// The event type of charged events, which usually name none; a version's number follows.
const CHARGED: &str = "billing.message.charged.v";

/// Why a message is no usage.
struct Fault {
    reason: QuarantineReason,
    detail: String,
}

type Read<T> = Result<T, Fault>;

/// Reads one message. `tenant` is the value of the [`TENANT_HEADER`], if there is one.
///
/// # Errors
/// [`Unreadable`], with the account when the message could be read that far.
pub(crate) fn decode(names: &mut Names, tenant: Option<&str>, payload: &[u8]) -> Result<ReportedUsage, Unreadable> {
    let mut account = None;
    read(names, tenant, payload, &mut account).map_err(|Fault { reason, detail }| Unreadable {
        reason,
        detail,
        account,
    })
}

/// Reads a message that was kept from long ago. Its header was not: `tenant` is the tenant that it is taken to have
/// named.
///
/// # Errors
/// [`Unreadable`].
pub fn decode_stored(tenant: Option<TenantId>, payload: &[u8]) -> Result<ReportedUsage, Unreadable> {
    decode(&mut Names::default(), tenant.map(|tenant| tenant.to_string()).as_deref(), payload)
}

fn read(
    names: &mut Names,
    tenant: Option<&str>,
    payload: &[u8],
    account: &mut Option<AccountId>,
) -> Read<ReportedUsage> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        let detail = format!("has {} bytes, allowed are {PAYLOAD_BYTES_MAX}", payload.len());
        return Err(Fault { reason: QuarantineReason::Oversized, detail });
    }
    let text = std::str::from_utf8(payload)
        .map_err(|error| malformed(format!("not UTF-8 after byte {}", error.valid_up_to())))?;
    let mut fields = Fields::default();
    let read = fields.read(text);
    *account = fields.account();
    read.map_err(malformed)?;

    check_version(&fields)?;
    let header = tenant_header(tenant)?;
    match fields.text(Field::EventType)? {
        None => charged(names, &fields, header),
        Some(name) if name == DLR_TERMINAL => delivery_report(names, &fields, header),
        Some(name) => match name.strip_prefix(CHARGED) {
            Some("1") => charged(names, &fields, header),
            Some(version) if !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit()) => {
                Err(unknown_version("eventType names a version that is not known"))
            }
            _ => Err(malformed("eventType is not known")),
        },
    }
}

/// `billing.message.charged.v1`.
fn charged(names: &mut Names, fields: &Fields<'_>, header: Option<TenantId>) -> Read<ReportedUsage> {
    let tenant = TenantId(uuid(fields, Field::TenantId)?);
    if header.is_some_and(|header| header != tenant) {
        let detail = format!("{TENANT_HEADER} and tenantId name different tenants");
        return Err(Fault { reason: QuarantineReason::TenantMismatch, detail });
    }
    let tier = fields.required(Field::AccountTier)?;
    let currency = fields.required(Field::Currency)?;
    let direction = fields.required(Field::Direction)?;
    Ok(ReportedUsage {
        tenant: Some(tenant),
        tier: Some(names.tier(&tier).is(Field::AccountTier, "1 to 64 bytes of plain text")?),
        direction: Direction::from_name(&direction).is(Field::Direction, "MT or MO")?,
        currency: Some(names.currency(&currency).is(Field::Currency, "a currency of ISO 4217")?),
        charged_at: values::instant(fields, Field::ChargedAt)?,
        ..common(names, fields)?
    })
}

/// `DLR_TERMINAL`.
fn delivery_report(names: &mut Names, fields: &Fields<'_>, header: Option<TenantId>) -> Read<ReportedUsage> {
    let charged_at = values::instant(fields, Field::OccurredAt)?;
    Ok(ReportedUsage { tenant: header, charged_at, ..common(names, fields)? })
}

/// What both shapes say in the same way; the rest as a delivery report leaves it.
fn common(names: &mut Names, fields: &Fields<'_>) -> Read<ReportedUsage> {
    let operator = fields.required(Field::OperatorId)?;
    Ok(ReportedUsage {
        message: MessageId(uuid(fields, Field::MessageId)?),
        tenant: None,
        account: AccountId(uuid(fields, Field::AccountId)?),
        tier: None,
        operator: names.operator(&operator).is(Field::OperatorId, "1 to 64 characters of A-Z, a-z, 0-9, _ and -")?,
        direction: Direction::Mt,
        segments: values::segments(fields)?,
        currency: None,
        charged_at: jiff::Timestamp::UNIX_EPOCH,
        dlr_status: values::status(fields)?,
    })
}

/// Only major version 1 is known; its minor versions add optional fields.
fn check_version(fields: &Fields<'_>) -> Read<()> {
    let version = fields.required(Field::SchemaVersion)?;
    let known = match version.strip_prefix('1') {
        Some("") => true,
        Some(minor) => minor.starts_with('.') && minor.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
        None => false,
    };
    if known { Ok(()) } else { Err(unknown_version("schemaVersion is neither 1 nor 1.x")) }
}

fn tenant_header(text: Option<&str>) -> Read<Option<TenantId>> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => match values::parse_uuid(text) {
            Some(tenant) => Ok(Some(TenantId(tenant))),
            None => Err(malformed(format!("{TENANT_HEADER} is not a UUID"))),
        },
    }
}

fn uuid(fields: &Fields<'_>, field: Field) -> Read<Uuid> {
    values::parse_uuid(&fields.required(field)?).is(field, "a UUID")
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault { reason: QuarantineReason::Malformed, detail: detail.into().into_owned() }
}

fn unknown_version(detail: &str) -> Fault {
    Fault { reason: QuarantineReason::UnknownVersion, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests;
