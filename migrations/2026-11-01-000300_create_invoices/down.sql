DROP TABLE billing.invoice_runs;
DROP TABLE billing.outbox;
DROP TABLE billing.number_series;
DROP TABLE billing.invoice_lines;
DROP TABLE billing.invoices;
DROP FUNCTION billing.keep_closed_invoices();
