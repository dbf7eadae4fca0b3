DROP INDEX billing.invoices_by_month;
