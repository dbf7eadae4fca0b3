-- The staff's list of all accounts' invoices, newest month first: a page is read in this order and not sorted out of all invoices, and
-- how many there are is counted without reading their rows.
CREATE INDEX invoices_by_month ON billing.invoices (period_start DESC, id DESC)
    INCLUDE (status, finalized_at, account_id, tenant_id);
