-- What may be shown of a quarantined message's bytes: made when it arrives by whoever may read them, and gone when they are
-- gone. NULL as well for those that arrived before.
ALTER TABLE billing.quarantined_messages ADD COLUMN redacted text CHECK (octet_length(redacted) <= 8192);
GRANT UPDATE (redacted) ON billing.quarantined_messages TO billing_worker;

-- Staff look at messages and discard them, without their bytes.
GRANT SELECT (id, reason, detail, raw_bytes, created_at, replayed_as, discarded_at, resolved_by, note, redacted)
    ON billing.quarantined_messages TO billing_api;
GRANT UPDATE (discarded_at, resolved_by, note) ON billing.quarantined_messages TO billing_api;
CREATE INDEX quarantined_messages_created_at ON billing.quarantined_messages (created_at);

-- Replays that staff ask for. Who records usage reads the bytes and carries them out.
CREATE TABLE billing.replay_requests (
    id           uuid PRIMARY KEY,
    message_id   bigint NOT NULL REFERENCES billing.quarantined_messages,
    allow_old    boolean NOT NULL,
    -- Whose it is, where the message's header said otherwise.
    of_tenant    uuid,
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL,
    trace_id     text NOT NULL,
    ended_at     timestamptz,
    -- What the message became, or why it stays.
    outcome      text CHECK (outcome IN ('recorded', 'duplicate', 'unrated', 'stays', 'refused')),
    detail       text,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((outcome IN ('stays', 'refused')) = (detail IS NOT NULL))
);
CREATE UNIQUE INDEX replay_requests_waiting ON billing.replay_requests (message_id) WHERE ended_at IS NULL;
CREATE INDEX replay_requests_message ON billing.replay_requests (message_id, requested_at);
GRANT SELECT, INSERT ON billing.replay_requests TO billing_api;
GRANT SELECT, UPDATE (ended_at, outcome, detail) ON billing.replay_requests TO billing_worker;
