-- Notifications: channels, rules, what happened, and what was sent to whom.

CREATE TABLE notification_channels (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    name_key text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE,
    kind text NOT NULL CHECK (kind IN ('smtp', 'webhook')),
    settings jsonb NOT NULL,              -- what may be shown
    secrets_sealed bytea NOT NULL,        -- passwords, tokens, addresses of webhooks: AES-256-GCM under the key file
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE notification_rules (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    owner_id uuid REFERENCES users (id) ON DELETE CASCADE, -- NULL: shared, the administrators'
    channel_id uuid NOT NULL REFERENCES notification_channels (id),
    events text[] NOT NULL,
    group_ids uuid[] NOT NULL,            -- empty: all in sight. No foreign key: a group that goes must not widen a rule
    recipients text[] NOT NULL,           -- of mail; empty: the channel's
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX notification_rules_by_channel ON notification_rules (channel_id);
CREATE INDEX notification_rules_by_owner ON notification_rules (owner_id);

-- What happened. Rows about jobs are written by the trigger below in the transaction of the step itself, so that none
-- is lost whoever dies when. Events of one kind and topic become one message, the digest.
CREATE TABLE notification_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    topic text NOT NULL,
    at timestamptz NOT NULL,
    host_id uuid,                         -- no foreign keys: an event outlives what it tells of
    host_name text,
    deployment_id uuid,
    job_id uuid,
    detail text NOT NULL DEFAULT '',
    data jsonb,
    digest_id uuid,                       -- NULL: not told yet
    digested_at timestamptz
);
CREATE INDEX notification_events_new ON notification_events (kind, topic) WHERE digest_id IS NULL;
CREATE INDEX notification_events_by_digest ON notification_events (digest_id);
CREATE INDEX notification_events_told ON notification_events (kind, topic, digested_at);

-- What must be told once: an opening of a host's window, a threshold before a certificate ends.
CREATE TABLE notification_told (
    kind text NOT NULL,
    key text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (kind, key)
);

-- Hosts that were told to be unreachable.
CREATE TABLE notification_alarms (
    host_id uuid PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    raised_at timestamptz NOT NULL,
    well_since timestamptz,
    recovered_at timestamptz              -- when its recovery was told
);

-- One message to one rule's audience. Its id is the message's id in every attempt.
CREATE TABLE notification_deliveries (
    id uuid PRIMARY KEY,
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY, -- what was queued first is sent first
    digest_id uuid NOT NULL,
    kind text NOT NULL,
    summary text NOT NULL,                -- names no host: the log is read by who may have lost sight of it
    rule_id uuid REFERENCES notification_rules (id) ON DELETE SET NULL,
    rule_name text NOT NULL,
    owner_id uuid REFERENCES users (id) ON DELETE SET NULL,
    shared boolean NOT NULL,
    channel_id uuid REFERENCES notification_channels (id) ON DELETE SET NULL,
    channel_name text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    next_try_at timestamptz,              -- of pending ones
    give_up_at timestamptz NOT NULL,
    last_attempt_at timestamptz,
    finished_at timestamptz,
    last_error text NOT NULL DEFAULT ''
);
CREATE INDEX notification_deliveries_due ON notification_deliveries (next_try_at) WHERE state = 'pending';
CREATE INDEX notification_deliveries_recent ON notification_deliveries (created_at DESC, id DESC);

CREATE FUNCTION job_steps_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What an operator decided of an unknown outcome is no news.
    INSERT INTO notification_events (kind, topic, at, host_id, host_name, deployment_id, job_id, detail)
    SELECT CASE step.state WHEN 'failed' THEN 'job_failed' ELSE step.state END, coalesce(j.deployment_id::text, ''),
           step.at, j.host_id, j.host_name, j.deployment_id, j.id, left(step.reason, 500)
    FROM added step JOIN jobs j ON j.id = step.job_id
    WHERE step.state IN ('failed', 'outcome_unknown')
      AND NOT EXISTS (SELECT 1 FROM job_transitions before
                      WHERE before.job_id = step.job_id AND before.version = step.version - 1
                        AND before.state = 'outcome_unknown');
    -- Whether its deployment is at its end is looked up afterwards: two transactions may end its last two jobs.
    INSERT INTO notification_events (kind, topic, at, deployment_id)
    SELECT 'job_ended', j.deployment_id::text, max(step.at), j.deployment_id
    FROM added step JOIN jobs j ON j.id = step.job_id
    WHERE step.state IN ('succeeded', 'failed', 'cancelled', 'outcome_unknown') AND j.deployment_id IS NOT NULL
    GROUP BY j.deployment_id;
    RETURN NULL;
END $$;

CREATE TRIGGER notifications AFTER INSERT ON job_transitions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION job_steps_noted();

CREATE FUNCTION stopped_deployment_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_events (kind, topic, at, deployment_id)
    VALUES ('deployment_stopped', NEW.id::text, NEW.stopped_at, NEW.id);
    RETURN NULL;
END $$;

-- Its reason counts all hosts and is not for who sees a part: what is told is counted when it is sent.
CREATE TRIGGER notifications AFTER UPDATE OF stopped_at ON deployments
    FOR EACH ROW WHEN (OLD.stopped_at IS NULL AND NEW.stopped_at IS NOT NULL) EXECUTE FUNCTION stopped_deployment_noted();
