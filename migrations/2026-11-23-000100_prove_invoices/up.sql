-- What a draft was composed of is found again by what stood then. Clocks do not say: a draft is dated by when its run
-- looked, a voiding by when it was asked for. So drafts, voidings and corrections are numbered as they are done, each under
-- the lock that keeps it from the others: an account's drafts and voidings under its own, corrections and drafts under
-- the price book's.
CREATE SEQUENCE billing.invoicing_order;
GRANT USAGE ON SEQUENCE billing.invoicing_order TO billing_api, billing_worker;

ALTER TABLE billing.invoices ADD COLUMN drafted_order bigint, ADD COLUMN voided_order bigint;
ALTER TABLE billing.price_corrections ADD COLUMN made_order bigint;

-- Of those that stand the clocks have to do. The owner is fenced too, and what is closed is kept by triggers, but for
-- these statements.
ALTER TABLE billing.invoices NO FORCE ROW LEVEL SECURITY;
ALTER TABLE billing.invoices DISABLE TRIGGER keep_closed;
ALTER TABLE billing.price_corrections DISABLE TRIGGER append_only;
CREATE TABLE billing.in_order AS
SELECT kind, id, row_number() OVER (ORDER BY at, kind, period_start, id) AS place FROM (
    SELECT 'corrected' AS kind, id, created_at AS at, NULL::date AS period_start FROM billing.price_corrections
    UNION ALL SELECT 'drafted', id, drafted_at, period_start FROM billing.invoices
    UNION ALL SELECT 'voided', id, voided_at, period_start FROM billing.invoices WHERE voided_at IS NOT NULL
) AS done;
UPDATE billing.invoices i SET
    drafted_order = (SELECT place FROM billing.in_order o WHERE o.kind = 'drafted' AND o.id = i.id),
    voided_order = (SELECT place FROM billing.in_order o WHERE o.kind = 'voided' AND o.id = i.id);
UPDATE billing.price_corrections c SET made_order = place FROM billing.in_order o WHERE o.kind = 'corrected' AND o.id = c.id;
SELECT setval('billing.invoicing_order', (SELECT count(*) + 1 FROM billing.in_order));
DROP TABLE billing.in_order;
ALTER TABLE billing.price_corrections ENABLE TRIGGER append_only;
ALTER TABLE billing.invoices ENABLE TRIGGER keep_closed;
ALTER TABLE billing.invoices FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.invoices
    ALTER COLUMN drafted_order SET DEFAULT nextval('billing.invoicing_order'),
    ALTER COLUMN drafted_order SET NOT NULL;
ALTER TABLE billing.price_corrections
    ALTER COLUMN made_order SET DEFAULT nextval('billing.invoicing_order'),
    ALTER COLUMN made_order SET NOT NULL;

CREATE FUNCTION billing.number_voiding() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.voided_order := nextval('billing.invoicing_order');
    RETURN NEW;
END $$;
CREATE TRIGGER number_voiding BEFORE UPDATE ON billing.invoices
    FOR EACH ROW WHEN (NEW.status = 'VOID' AND OLD.status <> 'VOID') EXECUTE FUNCTION billing.number_voiding();

-- From an open bucket to those of void invoices that were merged into it, whose events it counts. Few rows.
CREATE INDEX usage_buckets_merged_into ON billing.usage_buckets (merged_into) WHERE merged_into IS NOT NULL;

-- What else came for an account in a month. Neither table is written to when all is well.
CREATE INDEX duplicate_messages_account ON billing.duplicate_messages (account_id, charged_at);
CREATE INDEX quarantined_messages_account ON billing.quarantined_messages (account_id, published_at)
    WHERE account_id IS NOT NULL;
-- Their places only: no id, no reason, no bytes.
GRANT SELECT (stream_sequence, account_id, charged_at) ON billing.duplicate_messages TO billing_api;
GRANT SELECT (stream_sequence, account_id, published_at, replayed_at) ON billing.quarantined_messages TO billing_api;

-- As before, but who asks is found out once a query, and not once a row: millions of events are read at a time.
ALTER POLICY tenant ON billing.billing_events
    USING (tenant_id = (SELECT billing.current_tenant()) OR (SELECT billing.reaches_all_tenants()));
ALTER POLICY tenant ON billing.usage_buckets
    USING (tenant_id = (SELECT billing.current_tenant()) OR (SELECT billing.reaches_all_tenants()));
