-- The audit log and who leads.

-- TRUST "Audit log". What is signed is body and its hash. Every column to query by is generated from body, from text
-- and immutable casts only, so that none can disagree with it. body is text and not jsonb: its bytes are what was hashed.
CREATE FUNCTION audit_text(body text, key text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN body::json ->> key;

CREATE TABLE audit_log (
    seq         bigint PRIMARY KEY CHECK (seq > 0),
    body        text   NOT NULL,
    hash        bytea  NOT NULL CHECK (octet_length(hash) = 32),
    time_us     bigint NOT NULL GENERATED ALWAYS AS (audit_text(body, 'time')::bigint) STORED,
    action      text   NOT NULL GENERATED ALWAYS AS (audit_text(body, 'action')) STORED,
    actor       text   NOT NULL GENERATED ALWAYS AS (audit_text(body, 'actor')) STORED,
    actor_id    text   GENERATED ALWAYS AS (audit_text(body, 'actor_id')) STORED,
    target_type text   GENERATED ALWAYS AS (audit_text(body, 'target_type')) STORED,
    target_id   text   GENERATED ALWAYS AS (audit_text(body, 'target_id')) STORED,
    outcome     text   NOT NULL GENERATED ALWAYS AS (audit_text(body, 'outcome')) STORED,
    request_id  text   GENERATED ALWAYS AS (audit_text(body, 'request_id')) STORED,
    CHECK (seq = audit_text(body, 'seq')::bigint)
);

CREATE INDEX audit_log_time   ON audit_log (time_us);
CREATE INDEX audit_log_action ON audit_log (action, seq);
CREATE INDEX audit_log_actor  ON audit_log (actor, seq);
CREATE INDEX audit_log_target ON audit_log (target_type, target_id, seq);

-- One row: the end of the chain, signed. Locking it serialises writers. note is empty until the first start signs it.
CREATE TABLE audit_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    seq       bigint  NOT NULL CHECK (seq >= 0),
    hash      bytea   NOT NULL CHECK (octet_length(hash) = 32),
    note      text    NOT NULL
);

INSERT INTO audit_head (seq, hash, note) VALUES (0, decode(repeat('00', 32), 'hex'), '');

-- The active manager. epoch grows at every change; dispatching reads this row FOR SHARE.
CREATE TABLE leadership (
    singleton   boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch       bigint      NOT NULL,
    holder      text        NOT NULL,
    acquired_at timestamptz NOT NULL
);

INSERT INTO leadership (epoch, holder, acquired_at) VALUES (0, '', 'epoch');
