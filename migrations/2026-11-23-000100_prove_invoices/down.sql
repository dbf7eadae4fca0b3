ALTER POLICY tenant ON billing.usage_buckets
    USING (tenant_id = billing.current_tenant() OR billing.reaches_all_tenants());
ALTER POLICY tenant ON billing.billing_events
    USING (tenant_id = billing.current_tenant() OR billing.reaches_all_tenants());
REVOKE SELECT (stream_sequence, account_id, published_at, replayed_at) ON billing.quarantined_messages FROM billing_api;
REVOKE SELECT (stream_sequence, account_id, charged_at) ON billing.duplicate_messages FROM billing_api;
DROP INDEX billing.quarantined_messages_account;
DROP INDEX billing.duplicate_messages_account;
DROP INDEX billing.usage_buckets_merged_into;
DROP TRIGGER number_voiding ON billing.invoices;
DROP FUNCTION billing.number_voiding();
ALTER TABLE billing.price_corrections DROP COLUMN made_order;
ALTER TABLE billing.invoices DROP COLUMN drafted_order, DROP COLUMN voided_order;
DROP SEQUENCE billing.invoicing_order;
