CREATE OR REPLACE FUNCTION billing.keep_closed_invoices() RETURNS trigger
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
ALTER TABLE billing.invoices DROP COLUMN total_minor, DROP COLUMN customer_locale;
DROP INDEX billing.invoices_standing;
DROP TABLE billing.invoice_taxes;
DROP TABLE billing.invoice_adjustments;
DROP TABLE billing.correction_deltas;
DROP TABLE billing.price_corrections;
DROP INDEX billing.prices_with_fee;
ALTER TABLE billing.prices
    DROP CONSTRAINT prices_steps_check,
    DROP CONSTRAINT prices_package_check,
    DROP CONSTRAINT prices_model_check,
    DROP COLUMN steps_above,
    DROP COLUMN steps_price_micros,
    DROP COLUMN package_size,
    DROP COLUMN package_price_micros,
    DROP COLUMN free_units,
    DROP COLUMN discount_basis_points,
    DROP COLUMN monthly_minimum_micros,
    DROP COLUMN monthly_fee_micros,
    ADD CONSTRAINT prices_model_check CHECK (model IN ('PER_SEGMENT', 'FLAT_PER_MESSAGE'));
