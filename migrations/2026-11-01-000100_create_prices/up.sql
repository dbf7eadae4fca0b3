-- Prices are global. A row's terms never change: a change closes `days` and inserts the next version.
CREATE TABLE billing.prices (
    id                uuid PRIMARY KEY,
    tier              text NOT NULL CHECK (octet_length(tier) BETWEEN 1 AND 64),
    account_id        uuid,
    operator_id       text NOT NULL CHECK (operator_id ~ '^(\*|[A-Za-z0-9_-]{1,64})$'),
    direction         text NOT NULL CHECK (direction IN ('MT', 'MO')),
    model             text NOT NULL CHECK (model IN ('PER_SEGMENT', 'FLAT_PER_MESSAGE')),
    charge_on         text NOT NULL CHECK (charge_on IN ('ANY_TERMINAL', 'DELIVERED')),
    unit_price_micros bigint NOT NULL CHECK (unit_price_micros BETWEEN 0 AND 999999999999),
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    days              daterange NOT NULL CHECK (NOT isempty(days) AND NOT lower_inf(days)),
    version           integer NOT NULL CHECK (version > 0),
    supersedes        uuid UNIQUE REFERENCES billing.prices,
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL,
    cancelled_at      timestamptz,
    scope             text NOT NULL GENERATED ALWAYS AS
                      (CASE WHEN account_id IS NULL THEN 'tier:' || tier ELSE 'account:' || account_id::text END) STORED,
    CONSTRAINT prices_do_not_overlap EXCLUDE USING gist
        (scope WITH =, operator_id WITH =, direction WITH =, currency WITH =, days WITH &&) WHERE (cancelled_at IS NULL)
);

CREATE TABLE billing.operator_costs (
    id                      uuid PRIMARY KEY,
    operator_id             text NOT NULL CHECK (operator_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    direction               text NOT NULL CHECK (direction IN ('MT', 'MO')),
    cost_per_segment_micros bigint NOT NULL CHECK (cost_per_segment_micros BETWEEN 0 AND 999999999999),
    currency                text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    days                    daterange NOT NULL CHECK (NOT isempty(days) AND NOT lower_inf(days)),
    version                 integer NOT NULL CHECK (version > 0),
    supersedes              uuid UNIQUE REFERENCES billing.operator_costs,
    created_by              text NOT NULL,
    created_at              timestamptz NOT NULL,
    cancelled_at            timestamptz,
    CONSTRAINT operator_costs_do_not_overlap EXCLUDE USING gist
        (operator_id WITH =, direction WITH =, currency WITH =, days WITH &&) WHERE (cancelled_at IS NULL)
);

-- Only the end of a period and the cancellation may be written over.
GRANT SELECT, INSERT, UPDATE (days, cancelled_at) ON billing.prices, billing.operator_costs TO billing_api;
GRANT SELECT ON billing.prices, billing.operator_costs TO billing_worker;
