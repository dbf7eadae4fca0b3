DROP FUNCTION billing.detach_event_partition(date);
DROP FUNCTION billing.move_default_events(date, bigint);
REVOKE SELECT ON billing.billing_events_default FROM billing_worker;
DROP TABLE billing.purge_walks, billing.stream_gaps, billing.stream_floors, billing.received_ranges;
