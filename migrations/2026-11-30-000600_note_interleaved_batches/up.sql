-- The stream gives its messages to several pods by turns, so a batch has every second number, or every sixth: a row for each
-- would be a row for each message. All of such a batch is one row; `received` is NULL where a row has all of its numbers.
ALTER TABLE billing.received_ranges ADD COLUMN received int8multirange;
