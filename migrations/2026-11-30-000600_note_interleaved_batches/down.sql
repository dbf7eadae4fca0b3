INSERT INTO billing.received_ranges (first_sequence, last_sequence, published_from, published_until)
SELECT lower(numbers), upper(numbers) - 1, published_from, published_until
FROM billing.received_ranges, unnest(received) AS numbers;
DELETE FROM billing.received_ranges WHERE received IS NOT NULL;
ALTER TABLE billing.received_ranges DROP COLUMN received;
