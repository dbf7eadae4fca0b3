-- Since when a draft could not be finished. NULL on those that were parked before this was noted.
ALTER TABLE billing.invoices ADD COLUMN parked_at timestamptz;
