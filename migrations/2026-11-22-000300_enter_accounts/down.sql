REVOKE INSERT ON billing.accounts, billing.account_profiles, billing.account_parties FROM billing_api;

-- Of one day the last entered is kept. The owner is fenced too, but for these statements.
ALTER TABLE billing.account_profiles NO FORCE ROW LEVEL SECURITY;
ALTER TABLE billing.account_parties NO FORCE ROW LEVEL SECURITY;
DELETE FROM billing.account_profiles p USING billing.account_profiles later
    WHERE (later.account_id, later.effective_from) = (p.account_id, p.effective_from) AND later.position > p.position;
DELETE FROM billing.account_parties p USING billing.account_parties later
    WHERE (later.account_id, later.effective_from) = (p.account_id, p.effective_from) AND later.position > p.position;
ALTER TABLE billing.account_profiles FORCE ROW LEVEL SECURITY;
ALTER TABLE billing.account_parties FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.account_parties
    DROP CONSTRAINT account_parties_pkey,
    DROP COLUMN position, DROP COLUMN locale, DROP COLUMN tax_names, DROP COLUMN tax_rates, DROP COLUMN created_by,
    DROP COLUMN created_at,
    ADD PRIMARY KEY (account_id, effective_from);
DROP INDEX billing.account_profiles_learned;
ALTER TABLE billing.account_profiles
    DROP CONSTRAINT account_profiles_pkey,
    DROP COLUMN position, DROP COLUMN created_by, DROP COLUMN created_at,
    ADD PRIMARY KEY (account_id, effective_from);
