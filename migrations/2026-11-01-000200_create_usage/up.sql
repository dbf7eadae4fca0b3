-- An account has one tenant, for ever.
CREATE TABLE billing.accounts (
    account_id uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT billing.fence_by_tenant('billing.accounts');

-- Tier and main currency, learned from events, from the day they were first seen.
CREATE TABLE billing.account_profiles (
    account_id     uuid NOT NULL REFERENCES billing.accounts,
    tenant_id      uuid NOT NULL,
    effective_from date NOT NULL,
    tier           text NOT NULL CHECK (octet_length(tier) BETWEEN 1 AND 64),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    PRIMARY KEY (account_id, effective_from)
);
SELECT billing.fence_by_tenant('billing.account_profiles');

-- What an invoice prints of a customer, from which day. An account without a row is printed by its id.
CREATE TABLE billing.account_parties (
    account_id     uuid NOT NULL REFERENCES billing.accounts,
    tenant_id      uuid NOT NULL,
    effective_from date NOT NULL,
    legal_name     text NOT NULL CHECK (length(legal_name) BETWEEN 1 AND 200),
    address        text[] NOT NULL CHECK (cardinality(address) <= 8),
    tax_id         text CHECK (length(tax_id) <= 64),
    PRIMARY KEY (account_id, effective_from)
);
SELECT billing.fence_by_tenant('billing.account_parties');

GRANT SELECT ON billing.accounts, billing.account_profiles, billing.account_parties TO billing_api;
GRANT SELECT, INSERT ON billing.accounts, billing.account_profiles, billing.account_parties TO billing_worker;

-- The claim that makes recording exactly-once. Never partitioned by time: a unique key on a range-partitioned table
-- must contain the partition key, and then the same message with another timestamp gets in twice.
CREATE TABLE billing.message_keys (
    message_id      uuid PRIMARY KEY,
    fingerprint     uuid NOT NULL,
    stream_sequence bigint NOT NULL,
    published_at    timestamptz NOT NULL,
    charged_at      timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON billing.message_keys TO billing_worker;

-- Sums of rated events. A bucket is open until an invoice seals it; one open bucket for each key.
CREATE TABLE billing.usage_buckets (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    uuid NOT NULL,
    tenant_id     uuid NOT NULL,
    operator_id   text NOT NULL,
    direction     text NOT NULL,
    currency      text NOT NULL,
    price_id      uuid NOT NULL REFERENCES billing.prices,
    day           date NOT NULL,
    messages      bigint NOT NULL CHECK (messages >= 0),
    segments      bigint NOT NULL CHECK (segments >= 0),
    amount_micros numeric(38, 0) NOT NULL CHECK (amount_micros BETWEEN 0 AND 1e37),
    cost_micros   numeric(38, 0) NOT NULL CHECK (cost_micros BETWEEN 0 AND 1e37),
    uncosted      bigint NOT NULL CHECK (uncosted >= 0),
    foreign_cost  bigint NOT NULL CHECK (foreign_cost >= 0),
    sealed_by     uuid,
    waived_at     timestamptz,
    merged_into   bigint REFERENCES billing.usage_buckets,
    CHECK (sealed_by IS NOT NULL OR (waived_at IS NULL AND merged_into IS NULL))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX usage_buckets_one_open ON billing.usage_buckets
    (account_id, day, operator_id, direction, currency, price_id) WHERE sealed_by IS NULL;
CREATE INDEX usage_buckets_account_day ON billing.usage_buckets (account_id, day) WHERE merged_into IS NULL;
CREATE INDEX usage_buckets_sealed_by ON billing.usage_buckets (sealed_by) WHERE sealed_by IS NOT NULL;
CREATE INDEX usage_buckets_day ON billing.usage_buckets (day, operator_id);
SELECT billing.fence_by_tenant('billing.usage_buckets');
GRANT SELECT ON billing.usage_buckets TO billing_api;
GRANT UPDATE (sealed_by, waived_at, merged_into, messages, segments, amount_micros, cost_micros, uncosted,
    foreign_cost), INSERT ON billing.usage_buckets TO billing_api;
GRANT SELECT, INSERT, UPDATE ON billing.usage_buckets TO billing_worker;

-- Rated events: the amounts and what they were made of. Only a missing operator cost is ever filled in.
CREATE TABLE billing.billing_events (
    message_id      uuid NOT NULL,
    account_id      uuid NOT NULL,
    tenant_id       uuid NOT NULL,
    bucket_id       bigint NOT NULL,
    charged_at      timestamptz NOT NULL,
    price_id        uuid NOT NULL,
    cost_id         uuid,
    amount_micros   bigint NOT NULL CHECK (amount_micros >= 0),
    cost_micros     bigint CHECK (cost_micros >= 0),
    stream_sequence bigint NOT NULL,
    segments        smallint NOT NULL CHECK (segments BETWEEN 1 AND 10),
    operator_id     text NOT NULL,
    tier            text NOT NULL,
    direction       text NOT NULL,
    currency        text NOT NULL,
    cost_currency   text,
    dlr_status      text NOT NULL,
    CHECK ((cost_id IS NULL) = (cost_micros IS NULL) AND (cost_id IS NULL) = (cost_currency IS NULL))
) PARTITION BY RANGE (charged_at);
CREATE INDEX billing_events_bucket ON billing.billing_events (bucket_id);
CREATE INDEX billing_events_uncosted ON billing.billing_events (operator_id, direction, charged_at)
    WHERE cost_id IS NULL;
-- A cost is pinned by message id; without this each page of them would read every event.
CREATE INDEX billing_events_uncosted_message ON billing.billing_events (message_id) WHERE cost_id IS NULL;
CREATE TABLE billing.billing_events_default PARTITION OF billing.billing_events DEFAULT;
SELECT billing.fence_by_tenant('billing.billing_events');
GRANT SELECT ON billing.billing_events TO billing_api;
GRANT SELECT, INSERT, UPDATE (cost_id, cost_micros, cost_currency) ON billing.billing_events TO billing_worker;

-- Partitions belong to the owner, so the service makes them through this function: those of `months` months from the
-- month of `first_day` on. Returns how many it made.
CREATE FUNCTION billing.make_event_partitions(first_day date, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    first_month date := date_trunc('month', first_day)::date;
    month_start date;
    made integer := 0;
BEGIN
    FOR ahead IN 0 .. least(months, 36) - 1 LOOP
        month_start := (first_month + make_interval(months => ahead))::date;
        CONTINUE WHEN to_regclass(format('billing.billing_events_%s', to_char(month_start, 'YYYYMM'))) IS NOT NULL;
        -- Two services that start at once: the second waits here and then finds the table.
        PERFORM pg_advisory_xact_lock(hashtext('billing.make_event_partitions'));
        CONTINUE WHEN to_regclass(format('billing.billing_events_%s', to_char(month_start, 'YYYYMM'))) IS NOT NULL;
        BEGIN
            EXECUTE format(
                'CREATE TABLE billing.billing_events_%s PARTITION OF billing.billing_events FOR VALUES FROM (%L) TO (%L)',
                to_char(month_start, 'YYYYMM'),
                month_start::text || ' 00:00:00+00',
                (month_start + interval '1 month')::date::text || ' 00:00:00+00');
            made := made + 1;
        EXCEPTION WHEN check_violation THEN
            -- Its events stay in the default partition, and the other months get theirs.
            RAISE WARNING 'events of % are in the default partition already', month_start;
        END;
    END LOOP;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION billing.make_event_partitions(date, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing.make_event_partitions(date, integer) TO billing_worker;

-- Usage that waits for a price or for its account. Claimed like any other; leaves when it is rated.
CREATE TABLE billing.unrated_events (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid NOT NULL UNIQUE,
    account_id      uuid NOT NULL,
    tenant_id       uuid,
    stream_sequence bigint NOT NULL,
    published_at    timestamptz NOT NULL,
    fingerprint     uuid NOT NULL,
    tier            text,
    operator_id     text NOT NULL,
    direction       text NOT NULL,
    segments        smallint NOT NULL,
    currency        text,
    charged_at      timestamptz NOT NULL,
    dlr_status      text NOT NULL,
    reason          text NOT NULL CHECK (reason IN ('no_price', 'unknown_account')),
    created_at      timestamptz NOT NULL DEFAULT now()
);
SELECT billing.fence_by_tenant('billing.unrated_events');
GRANT SELECT ON billing.unrated_events TO billing_api;
-- UPDATE lets it lock the rows that it takes.
GRANT SELECT, INSERT, DELETE, UPDATE (reason) ON billing.unrated_events TO billing_worker;

-- Second publications of a recorded message, so that what was received can be accounted for to the last one.
CREATE TABLE billing.duplicate_messages (
    stream_sequence bigint NOT NULL,
    published_at    timestamptz NOT NULL,
    message_id      uuid NOT NULL,
    account_id      uuid NOT NULL,
    charged_at      timestamptz NOT NULL,
    PRIMARY KEY (stream_sequence, published_at)
);
GRANT SELECT, INSERT, DELETE ON billing.duplicate_messages TO billing_worker;

-- Messages that cannot be usage, whole. The bytes may hold personal data: no role of the api reads them.
CREATE TABLE billing.quarantined_messages (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_sequence bigint NOT NULL,
    published_at    timestamptz NOT NULL,
    reason          text NOT NULL,
    detail          text NOT NULL,
    account_id      uuid,
    raw             bytea NOT NULL CHECK (octet_length(raw) <= 1048576),
    raw_bytes       bigint NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream_sequence, published_at)
);
GRANT SELECT, INSERT, DELETE ON billing.quarantined_messages TO billing_worker;

-- Amounts as people read them.
CREATE VIEW billing.usage_by_day WITH (security_invoker = true) AS
SELECT tenant_id, account_id, currency, day, operator_id, direction,
       sum(messages) AS messages, sum(segments) AS segments,
       sum(amount_micros) / 1000000 AS amount,
       CASE WHEN sum(uncosted + foreign_cost) = 0 THEN sum(cost_micros) / 1000000 END AS cost
FROM billing.usage_buckets
WHERE merged_into IS NULL
GROUP BY tenant_id, account_id, currency, day, operator_id, direction;
GRANT SELECT ON billing.usage_by_day TO billing_api, billing_worker;
