DROP INDEX billing.usage_buckets_days;
CREATE INDEX usage_buckets_day ON billing.usage_buckets (day, operator_id);
ALTER TABLE billing.usage_buckets SET (fillfactor = 50);
