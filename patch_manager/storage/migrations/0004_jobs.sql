-- Deployments, their jobs, and every step towards an agent. Identifiers are made by the program, so that an
-- ambiguous COMMIT can be checked by reading (TRUST "Patch jobs").

CREATE TABLE deployments (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by_name text NOT NULL,
    idempotency_key text,
    request_digest bytea NOT NULL,        -- SHA-256 of the request: the same key with another body is refused
    packages text[],                      -- NULL: all that is pending when each job starts
    security_only boolean NOT NULL,
    starts text NOT NULL CHECK (starts IN ('now', 'window')),
    reboot text NOT NULL CHECK (reboot IN ('never', 'if_required')),
    UNIQUE (created_by, idempotency_key)
);
CREATE INDEX deployments_recent ON deployments (created_at DESC, id DESC);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    deployment_id uuid REFERENCES deployments (id),
    host_id uuid NOT NULL,                -- no foreign key: a job outlives its host, for the audit
    host_name text NOT NULL,
    host_address text NOT NULL,
    operation text NOT NULL
        CHECK (operation IN ('patchapply', 'reboot', 'rollback', 'install', 'update', 'remove')),
    state text NOT NULL CHECK (state IN ('queued', 'dispatching', 'running', 'rebooting', 'verifying',
                                         'succeeded', 'failed', 'cancelled', 'outcome_unknown')),
    version integer NOT NULL DEFAULT 1,   -- an update finds the version it read, or changes nothing
    requested text[],                     -- NULL: all that is pending when the job starts
    security_only boolean NOT NULL DEFAULT false,
    starts text NOT NULL CHECK (starts IN ('now', 'window')),
    reboot text NOT NULL CHECK (reboot IN ('never', 'if_required')),
    message text NOT NULL DEFAULT '',
    not_before timestamptz,               -- NULL: no start is planned (no maintenance window)
    planned_at timestamptz,               -- when the package list was frozen
    attempt integer NOT NULL DEFAULT 0,
    work_done_at timestamptz,             -- when we learned that the agent's work had ended well
    work_done_boot_id text,
    work_done_boot_clock double precision,
    agent_completed_at timestamptz,       -- the same moment on the agent's clock, where it said so
    rebooted_at timestamptz,              -- when a reboot since the work was proven
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    superseded_by uuid REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED -- an operator retried it in its deployment
);
CREATE UNIQUE INDEX jobs_one_active_per_host ON jobs (host_id)
    WHERE state IN ('dispatching', 'running', 'rebooting', 'verifying', 'outcome_unknown');
CREATE INDEX jobs_due ON jobs (not_before) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs (state) WHERE state IN ('dispatching', 'running', 'rebooting', 'verifying');
CREATE INDEX jobs_by_deployment ON jobs (deployment_id, state);
CREATE INDEX jobs_by_host ON jobs (host_id, created_at DESC);
CREATE INDEX jobs_recent ON jobs (created_at DESC, id DESC);

-- One row per step, with time and reason; its id tells after an ambiguous COMMIT whether the step was kept.
CREATE TABLE job_transitions (
    id uuid PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    version integer NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    UNIQUE (job_id, version)
);

CREATE TABLE job_attempts (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 2),
    state text NOT NULL,
    agent_job_id text,
    adopted boolean NOT NULL DEFAULT false,
    sends integer NOT NULL DEFAULT 0,
    accepted_at timestamptz,
    error_code text,
    error text,
    exit_code integer,
    stdout text,
    stderr text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (job_id, number)
);

-- One row per intent to make a mutating call, committed before its first byte leaves.
CREATE TABLE job_sends (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL,              -- counts all sends of the job
    attempt integer NOT NULL,
    operation text NOT NULL,
    packages text[] NOT NULL,
    baseline_ids text[] NOT NULL,         -- the agent's jobs before the send
    baseline_newest timestamptz,          -- their newest created_at; before a reboot: the host's last boot
    intent_at timestamptz NOT NULL,
    boot_id text NOT NULL,                -- of the manager's host, with its CLOCK_BOOTTIME in seconds
    boot_clock double precision NOT NULL,
    epoch bigint NOT NULL,
    outcome text NOT NULL,
    agent_job_id text,
    PRIMARY KEY (job_id, number)
);

CREATE TABLE job_packages (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name text NOT NULL,
    from_version text,
    to_version text,
    requires_reboot boolean NOT NULL DEFAULT false,
    result text NOT NULL,
    PRIMARY KEY (job_id, name)
);
