//! Both shapes as producers send them, and everything that has been seen or imagined to go wrong with them.

use billing_domain::{Currency, Tier};

use super::*;

const MESSAGE: &str = "0190d3a0-1111-7000-8000-000000000001";
const TENANT: &str = "0190d3a0-2222-7000-8000-000000000002";
const ACCOUNT: &str = "0190d3a0-3333-7000-8000-000000000003";
const OTHER: &str = "0190d3a0-4444-7000-8000-000000000004";

fn charged_event() -> String {
    format!(
        r#"{{"schemaVersion":"1","messageId":"{MESSAGE}","tenantId":"{TENANT}","accountId":"{ACCOUNT}",
            "accountTier":"GROWTH","operatorId":"op-20","direction":"MT","segmentCount":2,"currency":"USD",
            "chargedAt":"2026-10-05T10:15:30.1234567+04:30","dlrStatus":"DELIVERED"}}"#
    )
}

fn report() -> String {
    format!(
        r#"{{"eventId":"{OTHER}","schemaVersion":"1.0","eventType":"DLR_TERMINAL","messageId":"{MESSAGE}",
            "accountId":"{ACCOUNT}","dlrStatus":"EXPIRED","segmentCount":10,"operatorId":"41220",
            "occurredAt":"2026-10-05T05:45:30Z"}}"#
    )
}

/// `usage …` when it is usage, else the reason, the account and the detail.
fn told(tenant: Option<&str>, payload: &[u8]) -> String {
    match decode(&mut Names::default(), tenant, payload) {
        Ok(usage) => {
            let tenant = usage.tenant.map_or_else(|| "-".into(), |tenant| tenant.to_string());
            let tier = usage.tier.as_ref().map_or("-", Tier::as_str);
            let currency = usage.currency.as_ref().map_or("-", Currency::code);
            format!(
                "usage {} {tenant} {} {tier} {} {} {} {currency} {} {}",
                usage.message,
                usage.account,
                usage.operator,
                usage.direction.name(),
                usage.segments.get(),
                usage.charged_at,
                usage.dlr_status.name()
            )
        }
        Err(Unreadable { reason, detail, account }) => {
            let account = if account.is_some() { "of the account" } else { "of nobody" };
            format!("{reason} {account}: {detail}")
        }
    }
}

#[test]
fn both_shapes_are_understood() {
    let (report, charged) = (report(), charged_event());
    let upper = charged.replace(ACCOUNT, &ACCOUNT.to_uppercase());
    let charged_usage =
        format!("usage {MESSAGE} {TENANT} {ACCOUNT} GROWTH op-20 MT 2 USD 2026-10-05T05:45:30.123456Z DELIVERED");
    let reported = |tenant| format!("usage {MESSAGE} {tenant} {ACCOUNT} - 41220 MT 10 - 2026-10-05T05:45:30Z EXPIRED");
    for (tenant, payload, expected) in [
        (None, charged.clone(), charged_usage.clone()),
        (Some(TENANT), charged.clone(), charged_usage.clone()),
        (Some(""), charged.clone(), charged_usage.clone()),
        (None, upper, charged_usage.clone()),
        (None, charged.replace("GROWTH", "G\\u0052OWTH"), charged_usage.clone()),
        (None, charged.replace("{\"", "{\"eventType\":\"billing.message.charged.v1\",\""), charged_usage.clone()),
        (
            None,
            charged.replace("{\"", "{\"eventType\":null,\"new\":[{\"deep\":[1,\"]]]\"]}],\""),
            charged_usage.clone(),
        ),
        (None, charged.replace(":\"1\"", ":\"1.7\""), charged_usage.clone()),
        (None, charged.replace("\"MT\"", "\"MO\""), charged_usage.replace("MT", "MO")),
        (None, report.clone(), reported("-")),
        (Some(TENANT), report.clone(), reported(TENANT)),
        (Some(TENANT), report.replace("{\"", &format!("{{\"tenantId\":\"{OTHER}\",\"")), reported(TENANT)),
        (None, report.replace("1.0", "1"), reported("-")),
    ] {
        assert_eq!(told(tenant, payload.as_bytes()), expected, "{payload}");
    }
}

#[test]
fn a_wrong_value_is_named_and_not_quoted() {
    for (from, to, expected) in [
        ("\"segmentCount\":2", "\"segmentCount\":0", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":11", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":-1", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":1.0", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":1e0", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":\"2\"", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":9223372036854775808", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":[2]", "segmentCount is not an integer from 1 to 10"),
        ("\"segmentCount\":2", "\"segmentCount\":null", "segmentCount is missing"),
        ("\"segmentCount\":2,", "", "segmentCount is missing"),
        (MESSAGE, "0190d3a0", "messageId is not a UUID"),
        (MESSAGE, "0190d3a011117000800000000000000001", "messageId is not a UUID"),
        (MESSAGE, "{0190d3a0-1111-7000-8000-000000000001}", "messageId is not a UUID"),
        (MESSAGE, "", "messageId is not a UUID"),
        (TENANT, "everyone", "tenantId is not a UUID"),
        ("op-20", "op 20", "operatorId is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        ("op-20", "op\\u0000", "operatorId is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        ("\"op-20\"", "20", "operatorId is not text"),
        ("GROWTH", "\\u0000", "accountTier is not 1 to 64 bytes of plain text"),
        ("GROWTH", "\\ud800", "accountTier is not text"),
        ("\"MT\"", "\"mt\"", "direction is not MT or MO"),
        ("\"MT\"", "true", "direction is not text"),
        ("USD", "usd", "currency is not a currency of ISO 4217"),
        ("USD", "XAU", "currency is not a currency of ISO 4217"),
        ("DELIVERED", "ENROUTE", "dlrStatus is not a terminal delivery status"),
        ("2026-10-05T10", "2026-10-05 10", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("+04:30", "", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("+04:30", "+04:30[Asia/Kabul]", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("+04:30", "+0430", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("2026-10-05", "2026-02-30", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("2026-10-05", "+002026-10-05", "chargedAt is not an instant of RFC 3339 with an offset"),
        ("\"chargedAt\"", "\"occurredAt\"", "chargedAt is missing"),
        ("\"schemaVersion\":\"1\",", "", "schemaVersion is missing"),
        ("\"schemaVersion\":\"1\"", "\"schemaVersion\":1", "schemaVersion is not text"),
        ("{\"", "{\"eventType\":\"SMS_SENT\",\"", "eventType is not known"),
        ("{\"", "{\"currency\":\"USD\",\"", "currency stands twice"),
        ("{\"", "{\"curr\\u0065ncy\":\"USD\",\"", "currency stands twice"),
        ("{\"", "{\"x\":1,\"x\":1,\"", "a field stands twice"),
    ] {
        let good = charged_event();
        assert!(good.contains(from), "{from}");
        let told = told(None, good.replacen(from, to, 1).as_bytes());
        assert_eq!(told.strip_prefix("malformed of the account: ").unwrap_or(&told), expected, "{to}");
    }
}

#[test]
fn what_is_no_event_is_told_apart() {
    let (good, report) = (charged_event(), report());
    let deep =
        |levels: usize| good.replacen("{\"", &format!("{{\"x\":{}{},\"", "[".repeat(levels), "]".repeat(levels)), 1);
    let many: String = (0..64).map(|n| format!("\"f{n}\":0,")).collect();
    let mut not_text = good.clone().into_bytes();
    not_text.splice(1..1, *b"\"x\":\"\xff\",");
    let padding = |size: usize| format!("{good}{}", " ".repeat(size - good.len())).into_bytes();
    for (tenant, payload, expected) in [
        (None, Vec::new(), "malformed of nobody: not JSON: it ends too early"),
        (None, b"\xff\xfe".to_vec(), "malformed of nobody: not UTF-8 after byte 0"),
        (None, not_text, "malformed of nobody: not UTF-8 after byte 6"),
        (None, b"hello".to_vec(), "malformed of nobody: not JSON at line 1, column 1"),
        (None, b"[]".to_vec(), "malformed of nobody: not a JSON object"),
        (None, b"null".to_vec(), "malformed of nobody: not a JSON object"),
        (None, b"{}".to_vec(), "malformed of nobody: schemaVersion is missing"),
        (None, "[".repeat(60_000).into_bytes(), "malformed of nobody: not a JSON object"),
        (None, good[..good.len() - 1].into(), "malformed of the account: not JSON: it ends too early"),
        (None, format!("{good}{good}").into(), "malformed of the account: not JSON at line 3, column 85"),
        (None, good.replace(":2,", ":NaN,").into(), "malformed of the account: not JSON at line 2, column 89"),
        (None, good.replace("GROWTH", "A\0B").into(), "malformed of the account: not JSON at line 2, column 28"),
        (None, deep(16).into(), "usage"),
        (None, deep(17).into(), "malformed of the account: is nested too deeply"),
        (None, deep(30_000).into(), "malformed of the account: is nested too deeply"),
        (None, good.replacen('{', &format!("{{{many}"), 1).into(), "malformed of nobody: has more than 64 fields"),
        (
            None,
            good.replacen("{\"", &format!("{{\"accountId\":\"{OTHER}\",\""), 1).into(),
            "malformed of nobody: accountId stands twice",
        ),
        (None, padding(64 * 1024), "usage"),
        (None, padding(64 * 1024 + 1), "oversized of nobody: has 65537 bytes, allowed are 65536"),
        (
            None,
            good.replace(":\"1\"", ":\"2\"").into(),
            "unknown_version of the account: schemaVersion is neither 1 nor 1.x",
        ),
        (
            None,
            good.replace(":\"1\"", ":\"10\"").into(),
            "unknown_version of the account: schemaVersion is neither 1 nor 1.x",
        ),
        (
            None,
            report.replace("1.0", "2.0").into(),
            "unknown_version of the account: schemaVersion is neither 1 nor 1.x",
        ),
        (
            None,
            good.replacen("{\"", "{\"eventType\":\"billing.message.charged.v2\",\"", 1).into(),
            "unknown_version of the account: eventType names a version that is not known",
        ),
        (Some("tenant-1"), report.clone().into(), "malformed of the account: X-Tenant-Id is not a UUID"),
        (
            Some(OTHER),
            good.clone().into(),
            "tenant_mismatch of the account: X-Tenant-Id and tenantId name different tenants",
        ),
    ] {
        let told = told(tenant, &payload);
        let told =
            told.split_once(' ').filter(|(usage, _)| *usage == "usage").map_or(told.as_str(), |(usage, _)| usage);
        assert_eq!(told, expected);
    }
}
