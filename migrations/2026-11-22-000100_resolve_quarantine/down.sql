GRANT DELETE ON billing.quarantined_messages TO billing_worker;
REVOKE UPDATE (reason, detail, raw, replayed_at, replayed_as, discarded_at, resolved_by, note)
    ON billing.quarantined_messages FROM billing_worker;
DROP INDEX billing.quarantined_messages_raw, billing.quarantined_messages_open;
UPDATE billing.quarantined_messages SET raw = '' WHERE raw IS NULL;
ALTER TABLE billing.quarantined_messages
    ALTER COLUMN raw SET NOT NULL,
    DROP COLUMN replayed_at,
    DROP COLUMN replayed_as,
    DROP COLUMN discarded_at,
    DROP COLUMN resolved_by,
    DROP COLUMN note;
