-- The document that cancels an issued invoice, written in the transaction that declares the invoice void. What it shows is
-- what the invoice shows: a void invoice is never changed again, so nothing of it is copied here.
CREATE TABLE billing.credit_notes (
    id           uuid PRIMARY KEY,
    invoice_id   uuid NOT NULL UNIQUE REFERENCES billing.invoices,
    tenant_id    uuid NOT NULL,
    account_id   uuid NOT NULL,
    number       text NOT NULL UNIQUE CHECK (number ~ '^CN-'),
    -- The UTC day on which the invoice was declared void.
    issue_date   date NOT NULL,
    s3_key       text NOT NULL UNIQUE,
    -- Recorded before the document is stored, which is when it is first asked for.
    template     text,
    pdf_sha256   bytea CHECK (octet_length(pdf_sha256) = 32),
    stored_at    timestamptz,
    CHECK ((template IS NULL) = (pdf_sha256 IS NULL)),
    CHECK (stored_at IS NULL OR pdf_sha256 IS NOT NULL)
);
SELECT billing.fence_by_tenant('billing.credit_notes');
GRANT SELECT, INSERT, UPDATE (template, pdf_sha256, stored_at) ON billing.credit_notes TO billing_api;
GRANT SELECT ON billing.credit_notes TO billing_worker;

-- It begins without a document, and only that may come. A hash may be mended until its document is stored.
CREATE FUNCTION billing.keep_credit_notes() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.stored_at IS NOT NULL
        OR (NEW.id, NEW.invoice_id, NEW.tenant_id, NEW.account_id, NEW.number, NEW.issue_date, NEW.s3_key)
        IS DISTINCT FROM (OLD.id, OLD.invoice_id, OLD.tenant_id, OLD.account_id, OLD.number, OLD.issue_date, OLD.s3_key)
    THEN
        RAISE EXCEPTION 'credit note % is not changed any more', OLD.number;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_issued BEFORE UPDATE OR DELETE ON billing.credit_notes
    FOR EACH ROW EXECUTE FUNCTION billing.keep_credit_notes();

-- Counts the year's series up. The api may give out the next number of this series, and touch no other.
CREATE FUNCTION billing.next_credit_note(of_year integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO billing.number_series AS s (series, year, last) VALUES ('CN', of_year, 1)
    ON CONFLICT (series, year) DO UPDATE SET last = s.last + 1 RETURNING last
$$;
REVOKE EXECUTE ON FUNCTION billing.next_credit_note(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.next_credit_note(integer) TO billing_api;
