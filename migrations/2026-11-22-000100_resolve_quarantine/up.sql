-- What became of a quarantined message. Replayed, it counts as what it became; discarded, it stays counted as
-- quarantined. Its bytes go after 30 days; the row and its reason stay for ever.
ALTER TABLE billing.quarantined_messages
    ALTER COLUMN raw DROP NOT NULL,
    ADD COLUMN replayed_at timestamptz,
    ADD COLUMN replayed_as text CHECK (replayed_as IN ('recorded', 'duplicate', 'unrated')),
    ADD COLUMN discarded_at timestamptz,
    ADD COLUMN resolved_by text,
    ADD COLUMN note text CHECK (length(note) BETWEEN 1 AND 500),
    ADD CHECK ((replayed_at IS NULL) = (replayed_as IS NULL)),
    ADD CHECK ((discarded_at IS NULL) = (note IS NULL)),
    ADD CHECK (num_nonnulls(replayed_at, discarded_at) <= 1),
    ADD CHECK ((resolved_by IS NULL) = (num_nonnulls(replayed_at, discarded_at) = 0));

-- What a person looks through, and what still holds bytes that may be personal.
CREATE INDEX quarantined_messages_open ON billing.quarantined_messages (reason, id)
    WHERE replayed_at IS NULL AND discarded_at IS NULL;
CREATE INDEX quarantined_messages_raw ON billing.quarantined_messages (created_at) WHERE raw IS NOT NULL;

REVOKE DELETE ON billing.quarantined_messages FROM billing_worker;
GRANT UPDATE (reason, detail, raw, replayed_at, replayed_as, discarded_at, resolved_by, note)
    ON billing.quarantined_messages TO billing_worker;
