-- Users, groups, hosts and what polls found. Times are timestamptz (UTC); identifiers are made by the program.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text NOT NULL,
    username_key text GENERATED ALWAYS AS (lower(username)) STORED UNIQUE,
    role text NOT NULL CHECK (role IN ('admin', 'operator')),
    password_hash text NOT NULL,
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    totp_secret_sealed bytea,             -- AES-256-GCM under the key file; NULL until enrolled
    totp_last_step bigint NOT NULL DEFAULT 0, -- a code works once (TRUST 5)
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE groups (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    name_key text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE,
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE hosts (
    id uuid PRIMARY KEY,
    address text NOT NULL UNIQUE,         -- canonical IP text; agents are addressed by IP
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    fqdn text,
    display_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid REFERENCES users (id) ON DELETE SET NULL,
    -- what the agent said
    hostname text,
    os_name text,
    os_version text,
    kernel text,
    architecture text,
    agent_version text,
    -- what polling concluded
    health text NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown', 'healthy', 'degraded', 'unreachable')),
    health_reason text NOT NULL DEFAULT 'not polled yet',
    health_since timestamptz,
    failures integer NOT NULL DEFAULT 0,  -- consecutive failed polls, for the backoff after a restart
    last_seen_at timestamptz,
    reboot_required boolean NOT NULL DEFAULT false,
    -- the patch list's summary; the list itself is in host_patches
    patches_read_at timestamptz,          -- NULL: never read, counts as unknown (TRUST 22)
    patches_digest bytea,                 -- an unchanged list is not written again
    pending integer NOT NULL DEFAULT 0,
    security integer NOT NULL DEFAULT 0,
    critical integer NOT NULL DEFAULT 0,
    high integer NOT NULL DEFAULT 0,
    medium integer NOT NULL DEFAULT 0,
    low integer NOT NULL DEFAULT 0,
    unknown_severity integer NOT NULL DEFAULT 0,
    cve_count integer NOT NULL DEFAULT 0,
    needs_reboot integer NOT NULL DEFAULT 0,
    max_severity text,
    oldest_security_at timestamptz
);

CREATE TABLE host_patches (
    host_id uuid NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    name text NOT NULL,
    current_version text,
    available_version text,
    severity text NOT NULL,
    cve_ids text[] NOT NULL DEFAULT '{}',
    requires_reboot boolean NOT NULL DEFAULT false,
    description text NOT NULL DEFAULT '',
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (host_id, name)
);

-- One row per change of health: the strip of 30 days on the host's page.
CREATE TABLE health_history (
    host_id uuid NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    health text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (host_id, at)
);

CREATE TABLE group_hosts (
    group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    host_id uuid NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, host_id)
);
CREATE INDEX group_hosts_by_host ON group_hosts (host_id);

CREATE TABLE group_users (
    group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_users_by_user ON group_users (user_id);

-- Every certificate the internal CA issued; private keys of hosts are never kept (TRUST 18).
CREATE TABLE certificates (
    serial text PRIMARY KEY,              -- lower-case hexadecimal
    profile text NOT NULL,
    subject text NOT NULL,
    sans text[] NOT NULL,
    host_id uuid REFERENCES hosts (id) ON DELETE SET NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    fingerprint text NOT NULL,
    certificate_pem text NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    revocation_reason text
);
CREATE INDEX certificates_by_host ON certificates (host_id);
