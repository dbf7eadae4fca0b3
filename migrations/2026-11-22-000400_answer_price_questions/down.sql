ALTER POLICY tenant ON billing.unrated_events
    USING (tenant_id = billing.current_tenant() OR billing.reaches_all_tenants());
ALTER TABLE billing.unrated_events RESET (autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
DROP INDEX billing.unrated_events_key;
ALTER TABLE billing.unrated_events DROP COLUMN key;
REVOKE SELECT (message_id, stream_sequence, charged_at) ON billing.message_keys FROM billing_api;
DROP INDEX billing.billing_events_sequence;
