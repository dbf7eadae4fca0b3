-- Sums of one bucket are 64 bits wide: 9.2 × 10¹² currency units for one account, operator, price and day. Beyond that
-- PostgreSQL refuses the addition (22003), and the message that asked for it is set aside; nothing wraps. Sums over buckets
-- are numeric as before. Adding is a tenth cheaper, and it is done for nearly every event when there are many accounts.
-- The table is written anew once, in which ingest waits: 500,000 buckets took 11 s on two busy cores.
DROP VIEW billing.usage_by_day;
ALTER TABLE billing.usage_buckets
    DROP CONSTRAINT usage_buckets_amount_micros_check,
    DROP CONSTRAINT usage_buckets_cost_micros_check,
    ALTER COLUMN amount_micros TYPE bigint,
    ALTER COLUMN cost_micros TYPE bigint,
    ADD CONSTRAINT usage_buckets_amount_micros_check CHECK (amount_micros >= 0),
    ADD CONSTRAINT usage_buckets_cost_micros_check CHECK (cost_micros >= 0);

CREATE VIEW billing.usage_by_day WITH (security_invoker = true) AS
SELECT tenant_id, account_id, currency, day, operator_id, direction,
       sum(messages) AS messages, sum(segments) AS segments,
       sum(amount_micros) / 1000000 AS amount,
       CASE WHEN sum(uncosted + foreign_cost) = 0 THEN sum(cost_micros) / 1000000 END AS cost
FROM billing.usage_buckets
WHERE merged_into IS NULL
GROUP BY tenant_id, account_id, currency, day, operator_id, direction;
GRANT SELECT ON billing.usage_by_day TO billing_api, billing_worker;
