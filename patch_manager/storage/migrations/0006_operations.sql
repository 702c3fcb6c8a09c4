-- Rollback, reboots alone and package operations on one host; reboot holds.

ALTER TABLE jobs ADD COLUMN created_by uuid REFERENCES users (id) ON DELETE SET NULL; -- of a job without a deployment
ALTER TABLE jobs ADD COLUMN created_by_name text;
ALTER TABLE jobs ADD COLUMN reason text NOT NULL DEFAULT '';     -- why somebody asked for it
ALTER TABLE jobs ADD COLUMN idempotency_key text;
ALTER TABLE jobs ADD COLUMN request_digest bytea;                -- SHA-256 of the request, as of a deployment
ALTER TABLE jobs ADD COLUMN versions text[];                     -- beside requested; NULL in it: any version
ALTER TABLE jobs ADD COLUMN purge boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD COLUMN rollback_of uuid REFERENCES jobs (id);
ALTER TABLE jobs ADD COLUMN rollback_agent_job_id text;          -- the job on the agent that a rollback is of
ALTER TABLE jobs ADD CHECK ((operation = 'rollback') = (rollback_of IS NOT NULL));
ALTER TABLE jobs ADD CHECK ((rollback_of IS NULL) = (rollback_agent_job_id IS NULL));
ALTER TABLE jobs ADD CONSTRAINT jobs_idempotency UNIQUE (created_by, idempotency_key);
CREATE INDEX jobs_by_rollback_of ON jobs (rollback_of) WHERE rollback_of IS NOT NULL;

ALTER TABLE job_sends ADD COLUMN undoes text;                    -- the agent's job that a rollback asks to undo

-- A reboot hold: while reboot_hold_at is set, no job reboots the host.
ALTER TABLE hosts ADD COLUMN reboot_hold_reason text;
ALTER TABLE hosts ADD COLUMN reboot_hold_by text;
ALTER TABLE hosts ADD COLUMN reboot_hold_at timestamptz;
ALTER TABLE hosts ADD CHECK ((reboot_hold_at IS NULL) = (reboot_hold_by IS NULL));
ALTER TABLE hosts ADD CHECK ((reboot_hold_at IS NULL) = (reboot_hold_reason IS NULL));
CREATE INDEX hosts_on_hold ON hosts (id) WHERE reboot_hold_at IS NOT NULL;

ALTER TABLE calendar_revision ADD COLUMN holds bigint NOT NULL DEFAULT 0;

CREATE FUNCTION holds_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE calendar_revision SET holds = holds + 1;
    RETURN NULL;
END $$;

-- Polls write other columns of hosts, so they never fire this.
CREATE TRIGGER calendar_revision AFTER UPDATE OF reboot_hold_at, reboot_hold_reason, reboot_hold_by ON hosts
    FOR EACH STATEMENT EXECUTE FUNCTION holds_changed();
