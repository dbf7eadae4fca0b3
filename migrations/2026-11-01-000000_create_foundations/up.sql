-- Roles are made by whoever administers the server; a migration that could make roles could make itself anything.
DO $$
DECLARE missing text;
BEGIN
    SELECT string_agg(wanted, ', ') INTO missing
    FROM unnest(ARRAY['billing_owner', 'billing_api', 'billing_worker']) AS wanted
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'create the role(s) % first: CREATE ROLE … NOLOGIN', missing;
    END IF;
END $$;

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE SCHEMA billing;
GRANT USAGE ON SCHEMA billing TO billing_api, billing_worker;

-- The tenant whose rows this transaction may see; NULL sees none. Unset and empty are the same: SET LOCAL leaves ''.
CREATE FUNCTION billing.current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('app.tenant_id', true), '')::uuid;

-- Staff reach every tenant; the api says so for each transaction, after it has checked the token.
CREATE FUNCTION billing.reaches_all_tenants() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN current_setting('app.reach', true) IS NOT DISTINCT FROM 'platform';

-- Fences a table by its tenant_id: the api within one tenant, the worker everywhere. Forced, so that the owner is
-- fenced too.
CREATE FUNCTION billing.fence_by_tenant(fenced regclass) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', fenced);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', fenced);
    EXECUTE format('CREATE POLICY tenant ON %s TO billing_api
        USING (tenant_id = billing.current_tenant() OR billing.reaches_all_tenants())
        WITH CHECK (tenant_id = billing.current_tenant() OR billing.reaches_all_tenants())', fenced);
    EXECUTE format('CREATE POLICY worker ON %s TO billing_worker USING (true) WITH CHECK (true)', fenced);
END $$;
REVOKE EXECUTE ON FUNCTION billing.fence_by_tenant(regclass) FROM PUBLIC;

-- What is held in memory elsewhere, and at which version. A reader of a book compares; a writer counts up.
CREATE TABLE billing.book_versions (
    book            text PRIMARY KEY CHECK (book IN ('prices', 'accounts')),
    version         bigint NOT NULL CHECK (version > 0),
    snapshot_sha256 bytea CHECK (octet_length(snapshot_sha256) = 32)
);
INSERT INTO billing.book_versions (book, version) VALUES ('prices', 1), ('accounts', 1);
GRANT SELECT, UPDATE ON billing.book_versions TO billing_api, billing_worker;

-- Who did what, append-only. No tenant fence: it is written about other tenants' data, and no route reads it.
CREATE TABLE billing.audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    tenant_id   uuid,
    action      text NOT NULL,
    subject     text NOT NULL,
    trace_id    text NOT NULL,
    detail      text
);
GRANT INSERT ON billing.audit_log TO billing_api, billing_worker;

CREATE FUNCTION billing.refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

-- One effect per key, tenant and subject for 24 hours.
CREATE TABLE billing.idempotency_keys (
    tenant_id   uuid,
    subject     text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    result_id   uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (tenant_id, subject, key)
);
CREATE INDEX idempotency_keys_created_at ON billing.idempotency_keys (created_at);
GRANT SELECT, INSERT, DELETE ON billing.idempotency_keys TO billing_api;
GRANT SELECT, DELETE ON billing.idempotency_keys TO billing_worker;
