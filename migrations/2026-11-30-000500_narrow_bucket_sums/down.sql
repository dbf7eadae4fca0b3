DROP VIEW billing.usage_by_day;
ALTER TABLE billing.usage_buckets
    DROP CONSTRAINT usage_buckets_amount_micros_check,
    DROP CONSTRAINT usage_buckets_cost_micros_check,
    ALTER COLUMN amount_micros TYPE numeric(38, 0),
    ALTER COLUMN cost_micros TYPE numeric(38, 0),
    ADD CONSTRAINT usage_buckets_amount_micros_check CHECK (amount_micros BETWEEN 0 AND 1e37),
    ADD CONSTRAINT usage_buckets_cost_micros_check CHECK (cost_micros BETWEEN 0 AND 1e37);

CREATE VIEW billing.usage_by_day WITH (security_invoker = true) AS
SELECT tenant_id, account_id, currency, day, operator_id, direction,
       sum(messages) AS messages, sum(segments) AS segments,
       sum(amount_micros) / 1000000 AS amount,
       CASE WHEN sum(uncosted + foreign_cost) = 0 THEN sum(cost_micros) / 1000000 END AS cost
FROM billing.usage_buckets
WHERE merged_into IS NULL
GROUP BY tenant_id, account_id, currency, day, operator_id, direction;
GRANT SELECT ON billing.usage_by_day TO billing_api, billing_worker;
