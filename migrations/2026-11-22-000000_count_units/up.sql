-- What is charged of a bucket's messages: segments, or messages where the price is per message. Tiers, packages and
-- free units of a month are counted in it.
ALTER TABLE billing.usage_buckets ADD COLUMN units bigint NOT NULL DEFAULT 0 CHECK (units >= 0);

-- Of the buckets that stand: everything was charged, or as much as the amount holds of the unit price. The owner is
-- fenced too, but for this statement.
ALTER TABLE billing.usage_buckets NO FORCE ROW LEVEL SECURITY;
UPDATE billing.usage_buckets b SET units = CASE
    WHEN p.charge_on = 'DELIVERED' AND p.unit_price_micros > 0 THEN div(b.amount_micros, p.unit_price_micros)
    WHEN p.charge_on = 'DELIVERED' THEN 0
    WHEN p.model = 'PER_SEGMENT' THEN b.segments
    ELSE b.messages END
FROM billing.prices p WHERE p.id = b.price_id;
ALTER TABLE billing.usage_buckets FORCE ROW LEVEL SECURITY;

GRANT UPDATE (units) ON billing.usage_buckets TO billing_api;
