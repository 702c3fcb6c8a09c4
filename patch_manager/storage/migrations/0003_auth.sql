-- Sessions and what leads to one. Tokens are kept as SHA-256 digests only: a copy of the database opens nothing.

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    last_active_at timestamptz NOT NULL,  -- the last request a person caused; refreshes and polls never move it (TRUST 2)
    expires_at timestamptz NOT NULL,      -- absolute, whatever the activity
    revoked_at timestamptz,
    revoked_reason text,
    ip text NOT NULL,
    user_agent text NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE revoked_at IS NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Every refresh token of a session, the spent ones too: one that comes twice ends the session (TRUST 1).
CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- Between password and second factor: opens nothing but its purpose, once, for the password that earned it (TRUST 6).
CREATE TABLE mfa_tickets (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('totp', 'totp_enrolment')),
    ip text NOT NULL,
    password_changed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    used_at timestamptz,
    secret_sealed bytea                   -- the secret shown during enrolment, until a code confirms it
);
CREATE INDEX mfa_tickets_by_expiry ON mfa_tickets (expires_at);
