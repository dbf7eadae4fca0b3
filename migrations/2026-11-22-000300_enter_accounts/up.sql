-- Accounts as staff enter them. Versions are added and never changed: of those that begin on one day the last entered
-- holds.

-- From the first day of staff's word on, what was learned from events does not count.
ALTER TABLE billing.account_profiles
    ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY,
    -- The `sub` of who entered it; NULL: learned from an event.
    ADD COLUMN created_by text,
    ADD COLUMN created_at timestamptz,
    ADD CHECK ((created_by IS NULL) = (created_at IS NULL)),
    DROP CONSTRAINT account_profiles_pkey,
    ADD PRIMARY KEY (account_id, effective_from, position);
-- A day teaches one tier.
CREATE UNIQUE INDEX account_profiles_learned ON billing.account_profiles (account_id, effective_from)
    WHERE created_by IS NULL;

ALTER TABLE billing.account_parties
    ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN locale text NOT NULL DEFAULT 'en' CHECK (length(locale) BETWEEN 2 AND 11),
    -- Taxes in the order in which invoices print them: each a name and a rate.
    ADD COLUMN tax_names text[] NOT NULL DEFAULT '{}',
    -- Ten-thousandths of a percent.
    ADD COLUMN tax_rates integer[] NOT NULL DEFAULT '{}',
    -- The `sub` of who entered it; NULL: loaded into the database.
    ADD COLUMN created_by text,
    ADD COLUMN created_at timestamptz,
    ADD CHECK (cardinality(tax_names) = cardinality(tax_rates) AND cardinality(tax_names) <= 5),
    ADD CHECK (0 <= ALL (tax_rates) AND 1000000 >= ALL (tax_rates)),
    ADD CHECK ((created_by IS NULL) = (created_at IS NULL)),
    DROP CONSTRAINT account_parties_pkey,
    ADD PRIMARY KEY (account_id, effective_from, position);

GRANT INSERT ON billing.accounts, billing.account_profiles, billing.account_parties TO billing_api;
