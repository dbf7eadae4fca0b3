-- An open bucket is updated once a batch, and its last versions stay until the transactions that may see them are over. Room
-- for three on its page keeps nearly every update out of the indexes; before, one in ten went into all of them.
ALTER TABLE billing.usage_buckets SET (fillfactor = 30);

-- Buckets are made in the order of their days, so a summary of each block finds a day as well, and costs a sealed bucket
-- no entry of its own.
DROP INDEX billing.usage_buckets_day;
CREATE INDEX usage_buckets_days ON billing.usage_buckets USING brin (day) WITH (autosummarize = on);
