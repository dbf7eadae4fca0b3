ALTER TABLE billing.usage_buckets DROP COLUMN units;
