DROP TABLE billing.idempotency_keys;
DROP TABLE billing.audit_log;
DROP TABLE billing.book_versions;
DROP FUNCTION billing.refuse_change();
DROP FUNCTION billing.fence_by_tenant(regclass);
DROP FUNCTION billing.reaches_all_tenants();
DROP FUNCTION billing.current_tenant();
DROP SCHEMA billing;
