ALTER TABLE billing.invoices DROP COLUMN parked_at;
