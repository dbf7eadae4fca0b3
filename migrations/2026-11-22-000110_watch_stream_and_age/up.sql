-- What each batch received of the stream, in rows of consecutive sequence numbers; written with the batch, a few rows
-- however large it is. The sweep that looks for gaps removes what it has dealt with, so the table stays small.
CREATE TABLE billing.received_ranges (
    first_sequence  bigint NOT NULL,
    last_sequence   bigint NOT NULL CHECK (last_sequence >= first_sequence),
    published_from  timestamptz NOT NULL,
    published_until timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON billing.received_ranges TO billing_worker;

-- How far each stream has been looked at. A stream that is made anew begins at its first number again: the instant at
-- which it was made tells it from the one before.
CREATE TABLE billing.stream_floors (
    stream_created_at timestamptz PRIMARY KEY,
    checked           bigint NOT NULL,
    -- The last number that had been given out when it was last looked at.
    last_sequence     bigint NOT NULL,
    -- When the last message that was dealt with was published.
    published_until   timestamptz,
    is_closed         boolean NOT NULL DEFAULT false
);
GRANT SELECT, INSERT, UPDATE ON billing.stream_floors TO billing_worker;

-- Messages that were on the stream and never recorded. Kept for ever.
CREATE TABLE billing.stream_gaps (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_created_at timestamptz NOT NULL,
    first_sequence    bigint NOT NULL,
    last_sequence     bigint NOT NULL CHECK (last_sequence >= first_sequence),
    published_after   timestamptz,
    published_before  timestamptz,
    found_at          timestamptz NOT NULL
);
GRANT SELECT, INSERT ON billing.stream_gaps TO billing_worker;

-- Where purging has got to in tables that are too large for an index of their rows' age: they are walked by blocks.
CREATE TABLE billing.purge_walks (
    walked     text PRIMARY KEY CHECK (walked IN ('message_keys', 'duplicate_messages')),
    next_block bigint NOT NULL,
    began_at   timestamptz NOT NULL
);
INSERT INTO billing.purge_walks VALUES ('message_keys', 0, 'epoch'), ('duplicate_messages', 0, 'epoch');
GRANT SELECT, UPDATE ON billing.purge_walks TO billing_worker;

-- To count what is in no month's partition. The partition itself has no fence, so the api gets no right to it.
GRANT SELECT ON billing.billing_events_default TO billing_worker;

-- Makes the partition of a month and moves its events there from the DEFAULT partition. NULL, and nothing done, when
-- there are more than rows_max; 0 when the month has a partition.
CREATE FUNCTION billing.move_default_events(of_month date, rows_max bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    month_start date := date_trunc('month', of_month)::date;
    begins timestamptz := (month_start::text || ' 00:00:00+00')::timestamptz;
    ends timestamptz := ((month_start + interval '1 month')::date::text || ' 00:00:00+00')::timestamptz;
    partition_name text := 'billing_events_' || to_char(month_start, 'YYYYMM');
    moved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('billing.make_event_partitions'));
    IF to_regclass('billing.' || partition_name) IS NOT NULL THEN
        RETURN 0;
    END IF;
    SELECT count(*) INTO moved FROM (SELECT FROM billing.billing_events_default
        WHERE charged_at >= begins AND charged_at < ends LIMIT rows_max + 1) AS waiting;
    IF moved > rows_max THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE billing.%I (LIKE billing.billing_events_default INCLUDING ALL)', partition_name);
    -- Both before any row moves, in the order in which attaching takes them.
    LOCK TABLE billing.billing_events IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE billing.billing_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH gone AS (DELETE FROM billing.billing_events_default
        WHERE charged_at >= %L AND charged_at < %L RETURNING *) INSERT INTO billing.%I SELECT * FROM gone',
        begins, ends, partition_name);
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE billing.billing_events ATTACH PARTITION billing.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, begins, ends);
    EXECUTE format('GRANT INSERT ON billing.%I TO billing_worker', partition_name);
    RETURN moved;
END $$;
REVOKE EXECUTE ON FUNCTION billing.move_default_events(date, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.move_default_events(date, bigint) TO billing_worker;

-- Takes a month's partition off and gives its table another name, which is returned; NULL when there is none. Never
-- drops. Usage of the last 13 months may still come and be asked for, so a younger month is refused here, where no
-- caller can be wrong about it. Not CONCURRENTLY: PostgreSQL has that neither in a function nor beside a DEFAULT
-- partition; the lock is waited for 2 s and held for the moment.
CREATE FUNCTION billing.detach_event_partition(of_month date) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    month_start date := date_trunc('month', of_month)::date;
    partition_name text := 'billing_events_' || to_char(month_start, 'YYYYMM');
    detached_name text := partition_name || '_detached_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS');
BEGIN
    IF month_start + interval '14 months' > now() AT TIME ZONE 'UTC' THEN
        RAISE EXCEPTION 'the month of % is not 13 months past', month_start USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'billing.billing_events'::regclass
        AND inhrelid = to_regclass('billing.' || partition_name)) THEN
        RETURN NULL;
    END IF;
    EXECUTE format('ALTER TABLE billing.billing_events DETACH PARTITION billing.%I', partition_name);
    EXECUTE format('ALTER TABLE billing.%I RENAME TO %I', partition_name, detached_name);
    EXECUTE format('REVOKE ALL ON billing.%I FROM billing_worker', detached_name);
    RETURN detached_name;
END $$;
REVOKE EXECUTE ON FUNCTION billing.detach_event_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.detach_event_partition(date) TO billing_worker;
