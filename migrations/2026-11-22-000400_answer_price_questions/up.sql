-- Finds one event by its place on the stream, which its claim knows. Events lie in the order of the stream, so a summary
-- of each 128 pages does: a few kilobytes a million rows, and next to nothing for each insert. A unique index of message
-- ids would nearly double what an insert costs.
CREATE INDEX billing_events_sequence ON billing.billing_events USING brin (stream_sequence) WITH (autosummarize = on);
GRANT SELECT (message_id, stream_sequence, charged_at) ON billing.message_keys TO billing_api;

-- What waiting messages have in common, as one text that sorts by account, operator, direction and currency. Its index
-- leaps from key to key, so that looking through the keys costs nothing for what waits under them.
ALTER TABLE billing.unrated_events ADD COLUMN key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
    account_id::text || ' ' || operator_id || ' ' || direction || ' ' || COALESCE(currency, '-') || ' ' || reason || ' '
    || COALESCE(tenant_id::text, '-') || ' ' || COALESCE(tier, '')) STORED;
CREATE INDEX unrated_events_key ON billing.unrated_events (key, charged_at, position) INCLUDE (tenant_id);
-- Swept often: an index that has not been swept sends a count to the table, and a leap over what was rated long ago.
ALTER TABLE billing.unrated_events SET (autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);

-- As before, but who asks is found out once a query, and not once a row.
ALTER POLICY tenant ON billing.unrated_events
    USING (tenant_id = (SELECT billing.current_tenant()) OR (SELECT billing.reaches_all_tenants()));
