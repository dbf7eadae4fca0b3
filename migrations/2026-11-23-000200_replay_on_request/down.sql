DROP TABLE billing.replay_requests;
DROP INDEX billing.quarantined_messages_created_at;
REVOKE UPDATE (discarded_at, resolved_by, note) ON billing.quarantined_messages FROM billing_api;
REVOKE SELECT (id, reason, detail, raw_bytes, created_at, replayed_as, discarded_at, resolved_by, note)
    ON billing.quarantined_messages FROM billing_api;
ALTER TABLE billing.quarantined_messages DROP COLUMN redacted;
