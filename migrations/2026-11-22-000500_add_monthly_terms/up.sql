-- What a month's total makes of a price, beside its model.
ALTER TABLE billing.prices
    DROP CONSTRAINT prices_model_check,
    ADD CONSTRAINT prices_model_check
        CHECK (model IN ('PER_SEGMENT', 'FLAT_PER_MESSAGE', 'GRADUATED', 'VOLUME', 'PACKAGE')),
    -- GRADUATED and VOLUME: from how many units on which unit price holds; element by element.
    ADD COLUMN steps_above bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN steps_price_micros bigint[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT prices_steps_check CHECK ((model IN ('GRADUATED', 'VOLUME')) = (cardinality(steps_above) > 0)
        AND cardinality(steps_above) = cardinality(steps_price_micros)),
    ADD COLUMN package_size bigint CHECK (package_size BETWEEN 1 AND 1000000000),
    ADD COLUMN package_price_micros bigint CHECK (package_price_micros BETWEEN 0 AND 999999999999),
    ADD CONSTRAINT prices_package_check CHECK ((model = 'PACKAGE') = (package_size IS NOT NULL)
        AND (package_size IS NULL) = (package_price_micros IS NULL)),
    ADD COLUMN free_units bigint NOT NULL DEFAULT 0 CHECK (free_units >= 0),
    ADD COLUMN discount_basis_points integer NOT NULL DEFAULT 0 CHECK (discount_basis_points BETWEEN 0 AND 10000),
    ADD COLUMN monthly_minimum_micros bigint NOT NULL DEFAULT 0 CHECK (monthly_minimum_micros BETWEEN 0 AND 999999999999999999),
    ADD COLUMN monthly_fee_micros bigint NOT NULL DEFAULT 0 CHECK (monthly_fee_micros BETWEEN 0 AND 999999999999999999);
-- The few prices that cost something without usage.
CREATE INDEX prices_with_fee ON billing.prices (currency)
    WHERE cancelled_at IS NULL AND (monthly_fee_micros > 0 OR monthly_minimum_micros > 0);

-- What a price should have said on days that it has rated. Of two of one day the later made holds.
CREATE TABLE billing.price_corrections (
    id                   uuid PRIMARY KEY,
    price_id             uuid NOT NULL REFERENCES billing.prices,
    days                 daterange NOT NULL CHECK (NOT isempty(days) AND NOT lower_inf(days)),
    unit_price_micros    bigint NOT NULL CHECK (unit_price_micros BETWEEN 0 AND 999999999999),
    model                text NOT NULL,
    steps_above          bigint[] NOT NULL DEFAULT '{}',
    steps_price_micros   bigint[] NOT NULL DEFAULT '{}',
    package_size         bigint,
    package_price_micros bigint,
    reason               text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    created_by           text NOT NULL,
    created_at           timestamptz NOT NULL
);
CREATE INDEX price_corrections_price ON billing.price_corrections (price_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.price_corrections
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();
GRANT SELECT, INSERT ON billing.price_corrections TO billing_api;
GRANT SELECT ON billing.price_corrections TO billing_worker;

-- Whom a correction concerns: taken up by the next invoice of the account and currency, free again when that is void.
CREATE TABLE billing.correction_deltas (
    correction_id uuid NOT NULL REFERENCES billing.price_corrections,
    account_id    uuid NOT NULL,
    tenant_id     uuid NOT NULL,
    currency      text NOT NULL,
    usage_month   date NOT NULL,
    price_id      uuid NOT NULL REFERENCES billing.prices,
    -- As it was when the correction was made; the invoice says what it came to.
    delta_minor   bigint NOT NULL,
    settled_by    uuid REFERENCES billing.invoices,
    PRIMARY KEY (correction_id, account_id, usage_month)
);
CREATE INDEX correction_deltas_waiting ON billing.correction_deltas (account_id, currency) WHERE settled_by IS NULL;
CREATE INDEX correction_deltas_settled ON billing.correction_deltas (settled_by) WHERE settled_by IS NOT NULL;
SELECT billing.fence_by_tenant('billing.correction_deltas');
GRANT SELECT, INSERT, UPDATE (settled_by) ON billing.correction_deltas TO billing_api;
GRANT SELECT, UPDATE (settled_by) ON billing.correction_deltas TO billing_worker;

-- What a month's total makes of a price, one row a kind.
CREATE TABLE billing.invoice_adjustments (
    invoice_id   uuid NOT NULL REFERENCES billing.invoices,
    line         integer NOT NULL CHECK (line > 0),
    tenant_id    uuid NOT NULL,
    usage_month  date NOT NULL,
    price_id     uuid NOT NULL REFERENCES billing.prices,
    kind         text NOT NULL CHECK (kind IN ('CORRECTION', 'GRADUATED', 'VOLUME', 'PACKAGE', 'FREE_UNITS', 'DISCOUNT',
                 'MONTHLY_MINIMUM', 'MONTHLY_FEE')),
    units        bigint NOT NULL CHECK (units >= 0),
    -- For all of the month so far; less what earlier invoices asked for it is the amount.
    due_minor    bigint NOT NULL,
    amount_minor bigint NOT NULL,
    reason       text,
    PRIMARY KEY (invoice_id, line)
);
SELECT billing.fence_by_tenant('billing.invoice_adjustments');
GRANT SELECT ON billing.invoice_adjustments TO billing_api;
GRANT SELECT, INSERT ON billing.invoice_adjustments TO billing_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.invoice_adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

-- Each tax on the subtotal; `rate` in ten-thousandths of a percent.
CREATE TABLE billing.invoice_taxes (
    invoice_id   uuid NOT NULL REFERENCES billing.invoices,
    line         integer NOT NULL CHECK (line > 0),
    tenant_id    uuid NOT NULL,
    name         text NOT NULL,
    rate         integer NOT NULL CHECK (rate BETWEEN 0 AND 1000000),
    amount_minor bigint NOT NULL,
    PRIMARY KEY (invoice_id, line)
);
SELECT billing.fence_by_tenant('billing.invoice_taxes');
GRANT SELECT ON billing.invoice_taxes TO billing_api;
GRANT SELECT, INSERT ON billing.invoice_taxes TO billing_worker;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.invoice_taxes
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

-- What was invoiced before is asked for with every draft.
CREATE INDEX invoices_standing ON billing.invoices (account_id, currency) WHERE status <> 'VOID';

-- Subtotal and taxes. NULL on invoices of before there were taxes: the subtotal.
ALTER TABLE billing.invoices ADD COLUMN total_minor bigint, ADD COLUMN customer_locale text;

CREATE OR REPLACE FUNCTION billing.keep_closed_invoices() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status = 'VOID' OR (OLD.status = 'FINALIZED' AND NEW.status <> 'VOID') THEN
        RAISE EXCEPTION 'invoice % is %: it is not changed any more', OLD.id, OLD.status;
    END IF;
    IF OLD.number IS NOT NULL AND (NEW.number, NEW.issue_date, NEW.due_date, NEW.seller_name, NEW.seller_address,
        NEW.seller_tax_id, NEW.customer_name, NEW.customer_address, NEW.customer_tax_id, NEW.customer_locale, NEW.s3_key,
        NEW.subtotal_minor, NEW.total_minor)
        IS DISTINCT FROM (OLD.number, OLD.issue_date, OLD.due_date, OLD.seller_name, OLD.seller_address,
        OLD.seller_tax_id, OLD.customer_name, OLD.customer_address, OLD.customer_tax_id, OLD.customer_locale, OLD.s3_key,
        OLD.subtotal_minor, OLD.total_minor)
    THEN
        RAISE EXCEPTION 'what invoice % shows is pinned', OLD.id;
    END IF;
    RETURN NEW;
END $$;
