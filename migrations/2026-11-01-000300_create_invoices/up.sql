CREATE TABLE billing.invoices (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    account_id      uuid NOT NULL,
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    period_start    date NOT NULL CHECK (extract(day FROM period_start) = 1),
    status          text NOT NULL CHECK (status IN ('DRAFT', 'FINALIZED', 'VOID')),
    subtotal_minor  bigint NOT NULL,
    total_messages  bigint NOT NULL,
    total_segments  bigint NOT NULL,
    replaces        uuid UNIQUE REFERENCES billing.invoices,
    drafted_at      timestamptz NOT NULL,
    -- Pinned together: what the document shows.
    number          text UNIQUE,
    issue_date      date,
    due_date        date,
    seller_name     text,
    seller_address  text[],
    seller_tax_id   text,
    -- NULL when the account had no legal name then: its id is printed.
    customer_name   text,
    customer_address text[],
    customer_tax_id text,
    template        text,
    s3_key          text,
    -- Recorded before the document is stored.
    pdf_sha256      bytea CHECK (octet_length(pdf_sha256) = 32),
    finalized_at    timestamptz,
    voided_at       timestamptz,
    voided_by       text,
    void_reason     text CHECK (length(void_reason) BETWEEN 1 AND 500),
    disposition     text CHECK (disposition IN ('rebill', 'waive')),
    parked_reason   text,
    CHECK ((number IS NULL) = (issue_date IS NULL) AND (number IS NULL) = (due_date IS NULL)
        AND (number IS NULL) = (seller_name IS NULL) AND (number IS NULL) = (s3_key IS NULL)),
    CHECK (status <> 'FINALIZED' OR (number IS NOT NULL AND pdf_sha256 IS NOT NULL AND finalized_at IS NOT NULL)),
    CHECK ((status = 'VOID') = (voided_at IS NOT NULL))
);
-- One invoice for account, currency and month, however many runs there are.
CREATE UNIQUE INDEX invoices_one_per_month ON billing.invoices (account_id, currency, period_start)
    WHERE status <> 'VOID';
CREATE INDEX invoices_drafts ON billing.invoices (period_start) WHERE status = 'DRAFT';
CREATE INDEX invoices_list ON billing.invoices (account_id, period_start, id);
SELECT billing.fence_by_tenant('billing.invoices');
GRANT SELECT, UPDATE (status, voided_at, voided_by, void_reason, disposition) ON billing.invoices TO billing_api;
GRANT SELECT, INSERT, UPDATE ON billing.invoices TO billing_worker;

CREATE TABLE billing.invoice_lines (
    invoice_id        uuid NOT NULL REFERENCES billing.invoices,
    line              integer NOT NULL CHECK (line > 0),
    tenant_id         uuid NOT NULL,
    usage_month       date NOT NULL,
    operator_id       text NOT NULL,
    direction         text NOT NULL,
    price_id          uuid NOT NULL REFERENCES billing.prices,
    messages          bigint NOT NULL,
    segments          bigint NOT NULL,
    exact_micros      numeric(38, 0) NOT NULL,
    amount_minor      bigint NOT NULL,
    PRIMARY KEY (invoice_id, line)
);
SELECT billing.fence_by_tenant('billing.invoice_lines');
GRANT SELECT ON billing.invoice_lines TO billing_api;
GRANT SELECT, INSERT ON billing.invoice_lines TO billing_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.invoice_lines
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

-- A closed invoice stays as it is: from FINALIZED only to VOID, and VOID is the end.
CREATE FUNCTION billing.keep_closed_invoices() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status = 'VOID' OR (OLD.status = 'FINALIZED' AND NEW.status <> 'VOID') THEN
        RAISE EXCEPTION 'invoice % is %: it is not changed any more', OLD.id, OLD.status;
    END IF;
    IF OLD.number IS NOT NULL AND (NEW.number, NEW.issue_date, NEW.due_date, NEW.seller_name, NEW.seller_address,
        NEW.seller_tax_id, NEW.customer_name, NEW.customer_address, NEW.customer_tax_id, NEW.s3_key, NEW.subtotal_minor)
        IS DISTINCT FROM (OLD.number, OLD.issue_date, OLD.due_date, OLD.seller_name, OLD.seller_address,
        OLD.seller_tax_id, OLD.customer_name, OLD.customer_address, OLD.customer_tax_id, OLD.s3_key, OLD.subtotal_minor)
    THEN
        RAISE EXCEPTION 'what invoice % shows is pinned', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_closed BEFORE UPDATE OR DELETE ON billing.invoices
    FOR EACH ROW EXECUTE FUNCTION billing.keep_closed_invoices();

-- The last number given out. Counted up in the transaction that gives the number to its invoice, so no number is lost.
CREATE TABLE billing.number_series (
    series text NOT NULL,
    year   integer NOT NULL,
    last   bigint NOT NULL CHECK (last >= 0),
    PRIMARY KEY (series, year)
);
GRANT SELECT, INSERT, UPDATE ON billing.number_series TO billing_worker;

-- Events to publish, written in the transaction of what they tell.
CREATE TABLE billing.outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id   uuid NOT NULL REFERENCES billing.invoices,
    kind         text NOT NULL CHECK (kind IN ('generated', 'voided')),
    tenant_id    uuid NOT NULL,
    traceparent  text,
    created_at   timestamptz NOT NULL,
    published_at timestamptz,
    UNIQUE (invoice_id, kind)
);
CREATE INDEX outbox_waiting ON billing.outbox (position) WHERE published_at IS NULL;
SELECT billing.fence_by_tenant('billing.outbox');
-- SELECT of the key lets a repeated call find its own entry.
GRANT INSERT, SELECT (invoice_id, kind) ON billing.outbox TO billing_api;
GRANT SELECT, INSERT, UPDATE (published_at), DELETE ON billing.outbox TO billing_worker;

-- What each run of the cron did; ingest turns it into metrics, for the cron's pod is gone before it is scraped.
CREATE TABLE billing.invoice_runs (
    id                 uuid PRIMARY KEY,
    period_start       date NOT NULL,
    started_at         timestamptz NOT NULL,
    finished_at        timestamptz,
    result             text CHECK (result IN ('ok', 'partial', 'error')),
    accounts_invoiced  bigint NOT NULL DEFAULT 0,
    accounts_failed    bigint NOT NULL DEFAULT 0,
    accounts_skipped   bigint NOT NULL DEFAULT 0
);
GRANT SELECT, INSERT, UPDATE ON billing.invoice_runs TO billing_worker;
