-- Maintenance windows, freezes, and what jobs wait for.

CREATE TABLE maintenance_windows (
    id uuid PRIMARY KEY,
    host_id uuid NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    name text NOT NULL DEFAULT '',
    enabled boolean NOT NULL DEFAULT true,
    kind text NOT NULL CHECK (kind IN ('daily', 'weekly', 'monthly', 'once')),
    cron text,                            -- minute, hour, day, month, weekday on the zone's clock; its dates only are cron's
    starts_at timestamptz,
    timezone text NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 10080),
    cutoff_minutes integer NOT NULL DEFAULT 0 CHECK (cutoff_minutes >= 0 AND cutoff_minutes < duration_minutes),
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL DEFAULT 1,   -- a change may say which version it was decided on
    CHECK ((kind = 'once') = (starts_at IS NOT NULL)),
    CHECK ((kind = 'once') = (cron IS NULL))
);
CREATE INDEX maintenance_windows_by_host ON maintenance_windows (host_id, created_at, id);

CREATE TABLE freezes (
    id uuid PRIMARY KEY,
    group_id uuid REFERENCES groups (id) ON DELETE CASCADE, -- NULL: all hosts
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    reason text NOT NULL,
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (ends_at > starts_at)
);
CREATE INDEX freezes_by_end ON freezes (ends_at);

-- One row that tells the manager, which checks from memory before each call, that what it knows is old.
-- It is locked after hosts and groups and before jobs, everywhere.
CREATE TABLE calendar_revision (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    windows bigint NOT NULL DEFAULT 0,
    freezes bigint NOT NULL DEFAULT 0     -- also counts who is in which group
);
INSERT INTO calendar_revision DEFAULT VALUES;

CREATE FUNCTION windows_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE calendar_revision SET windows = windows + 1;
    RETURN NULL;
END $$;

CREATE FUNCTION freezes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE calendar_revision SET freezes = freezes + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER calendar_revision AFTER INSERT OR UPDATE OR DELETE ON maintenance_windows
    FOR EACH STATEMENT EXECUTE FUNCTION windows_changed();
CREATE TRIGGER calendar_revision AFTER INSERT OR UPDATE OR DELETE ON freezes
    FOR EACH STATEMENT EXECUTE FUNCTION freezes_changed();
CREATE TRIGGER calendar_revision AFTER INSERT OR UPDATE OR DELETE ON group_hosts
    FOR EACH STATEMENT EXECUTE FUNCTION freezes_changed();

ALTER TABLE deployments ADD COLUMN override_freeze boolean NOT NULL DEFAULT false; -- an admin's word
ALTER TABLE jobs ADD COLUMN override_freeze boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD COLUMN by_calendar boolean NOT NULL DEFAULT false; -- not_before was planned by windows and freezes
UPDATE jobs SET by_calendar = true WHERE state = 'queued' AND starts = 'window' AND not_before IS NULL;
CREATE INDEX jobs_by_calendar ON jobs (host_id) WHERE state = 'queued' AND by_calendar;
