//! What must hold of the decoder for any bytes: it ends, it says why not without quoting, and what it reads is what another
//! reader of JSON finds there. Used by the fuzz target and by the tests of `billing-nats`.

use std::collections::BTreeMap;

use billing_domain::TenantId;
use billing_domain::usage::{QuarantineReason, ReportedUsage};
use billing_nats::decode_stored;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Panics when something does not hold.
pub(crate) fn check(payload: &[u8]) {
    let read = decode_stored(None, payload);
    assert_eq!(read, decode_stored(None, payload), "read differently a second time");
    match read {
        Ok(usage) => agrees(&usage, payload),
        Err(refused) => {
            // It is shown to people: short, and in words of ours.
            assert!(refused.detail.len() <= 120 && refused.detail.is_ascii(), "{:?}", refused.detail);
            let of_reading =
                [QuarantineReason::Malformed, QuarantineReason::Oversized, QuarantineReason::UnknownVersion];
            assert!(of_reading.contains(&refused.reason), "{:?}", refused.reason);
        }
    }
}

fn agrees(usage: &ReportedUsage, payload: &[u8]) {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(payload).expect("what is usage is JSON");
    // In a field that is not known, half a surrogate pair is passed over; as a value, nobody can hold it.
    let value = |(name, raw): (String, Box<RawValue>)| Some((name, serde_json::from_str(raw.get()).ok()?));
    let json: Map<String, Value> = fields.into_iter().filter_map(value).collect();
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let is = |name: &str, id: String| text(name).is_some_and(|found| found.eq_ignore_ascii_case(&id));
    assert!(is("messageId", usage.message.to_string()) && is("accountId", usage.account.to_string()));
    assert_eq!(text("operatorId"), Some(usage.operator.as_str()));
    assert_eq!(json.get("segmentCount").and_then(Value::as_u64), Some(u64::from(usage.segments.get())));
    assert!((1..=10).contains(&usage.segments.get()));
    assert_eq!(text("dlrStatus"), Some(usage.dlr_status.name()));
    if text("eventType") == Some("DLR_TERMINAL") {
        assert!(usage.tenant.is_none() && usage.tier.is_none() && usage.currency.is_none());
        let tenant = usage.account.0;
        let named = decode_stored(Some(TenantId(tenant)), payload).expect("a tenant in the header");
        assert_eq!(named.tenant.map(|tenant| tenant.0), Some(tenant));
    } else {
        let tenant = usage.tenant.expect("charged events name their tenant");
        assert!(is("tenantId", tenant.to_string()));
        assert_eq!(text("accountTier"), usage.tier.as_ref().map(|tier| tier.as_str()));
        assert_eq!(text("currency"), usage.currency.as_ref().map(|currency| currency.code()));
        assert_eq!(text("direction"), Some(usage.direction.name()));
        let other = decode_stored(Some(TenantId(usage.message.0)), payload);
        assert!(tenant.0 == usage.message.0 || other.is_err(), "two tenants, and nobody minds");
    }
}
