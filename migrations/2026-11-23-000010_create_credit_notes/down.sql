DROP FUNCTION billing.next_credit_note(integer);
DROP TABLE billing.credit_notes;
DROP FUNCTION billing.keep_credit_notes();
