DO $$
DECLARE partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'billing.billing_events'::regclass LOOP
        EXECUTE format('REVOKE INSERT ON %s FROM billing_worker', partition);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION billing.make_event_partitions(first_day date, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    first_month date := date_trunc('month', first_day)::date;
    month_start date;
    made integer := 0;
BEGIN
    FOR ahead IN 0 .. least(months, 36) - 1 LOOP
        month_start := (first_month + make_interval(months => ahead))::date;
        CONTINUE WHEN to_regclass(format('billing.billing_events_%s', to_char(month_start, 'YYYYMM'))) IS NOT NULL;
        -- Two services that start at once: the second waits here and then finds the table.
        PERFORM pg_advisory_xact_lock(hashtext('billing.make_event_partitions'));
        CONTINUE WHEN to_regclass(format('billing.billing_events_%s', to_char(month_start, 'YYYYMM'))) IS NOT NULL;
        BEGIN
            EXECUTE format(
                'CREATE TABLE billing.billing_events_%s PARTITION OF billing.billing_events FOR VALUES FROM (%L) TO (%L)',
                to_char(month_start, 'YYYYMM'),
                month_start::text || ' 00:00:00+00',
                (month_start + interval '1 month')::date::text || ' 00:00:00+00');
            made := made + 1;
        EXCEPTION WHEN check_violation THEN
            -- Its events stay in the default partition, and the other months get theirs.
            RAISE WARNING 'events of % are in the default partition already', month_start;
        END;
    END LOOP;
    RETURN made;
END $$;
