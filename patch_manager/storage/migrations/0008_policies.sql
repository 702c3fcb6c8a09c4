-- Exclusions and standing policies.

-- Packages that must not be patched: on one host, on those of a group, or (neither) on all.
CREATE TABLE exclusions (
    id uuid PRIMARY KEY,
    package text NOT NULL,                -- a name, or a pattern: * any characters, ? one
    package_like text GENERATED ALWAYS AS (
        replace(replace(replace(package, '_', '\_'), '*', '%'), '?', '_')) STORED, -- the same for LIKE
    host_id uuid REFERENCES hosts (id) ON DELETE CASCADE,
    group_id uuid REFERENCES groups (id) ON DELETE CASCADE,
    owner text NOT NULL,                  -- who answers for it; no account of ours, people and teams have other names
    reason text NOT NULL,
    expires_at timestamptz NOT NULL,      -- outside it
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL DEFAULT 1,   -- a change may say which version it was decided on
    CHECK (host_id IS NULL OR group_id IS NULL)
);
CREATE INDEX exclusions_by_host ON exclusions (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX exclusions_by_group ON exclusions (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX exclusions_recent ON exclusions (created_at DESC, id DESC);

-- What one deployment leaves out, as [{"package": …, "reason": …}], and why a job left a package out.
ALTER TABLE deployments ADD COLUMN exclude jsonb NOT NULL DEFAULT '[]';
ALTER TABLE job_packages ADD COLUMN reason text;

-- Standing policies: in every window of their hosts, apply.
CREATE TABLE policies (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    enabled boolean NOT NULL,
    all_hosts boolean NOT NULL,
    what text NOT NULL CHECK (what IN ('security', 'all')),
    exclude jsonb NOT NULL DEFAULT '[]',
    reboot text NOT NULL CHECK (reboot IN ('never', 'if_required')),
    rollout jsonb,                        -- rings, as a deployment has them
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    created_by_name text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL DEFAULT 1
);
CREATE INDEX policies_recent ON policies (created_at DESC, id DESC);

CREATE TABLE policy_groups (
    policy_id uuid NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (policy_id, group_id)
);
CREATE INDEX policy_groups_by_group ON policy_groups (group_id);

CREATE TABLE policy_hosts (
    policy_id uuid NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    host_id uuid NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    PRIMARY KEY (policy_id, host_id)
);
CREATE INDEX policy_hosts_by_host ON policy_hosts (host_id);

-- What a policy did in one opening of one host; the key is what keeps it from doing it twice. A row without a job is
-- looked at again while the opening lasts.
CREATE TABLE policy_runs (
    policy_id uuid NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
    host_id uuid NOT NULL,                -- no foreign key: what was done outlives the host
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    result text NOT NULL CHECK (result IN ('started', 'waiting', 'nothing_to_do', 'held')),
    reason text NOT NULL,
    job_id uuid REFERENCES jobs (id),
    at timestamptz NOT NULL,
    PRIMARY KEY (policy_id, host_id, opens_at)
);
CREATE INDEX policy_runs_open ON policy_runs (closes_at);
CREATE INDEX policy_runs_by_job ON policy_runs (job_id) WHERE job_id IS NOT NULL;

ALTER TABLE deployments ADD COLUMN policy_id uuid; -- no foreign key: what a policy did outlives it
CREATE INDEX deployments_by_policy ON deployments (policy_id, created_at DESC) WHERE policy_id IS NOT NULL;

-- Tells the scan that what it knows of policies is old.
CREATE TABLE policy_revision (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    policies bigint NOT NULL DEFAULT 0
);
INSERT INTO policy_revision DEFAULT VALUES;

CREATE FUNCTION policies_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE policy_revision SET policies = policies + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER policy_revision AFTER INSERT OR UPDATE OR DELETE ON policies
    FOR EACH STATEMENT EXECUTE FUNCTION policies_changed();
