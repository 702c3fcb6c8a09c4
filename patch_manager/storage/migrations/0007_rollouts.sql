-- Rings, soak, stop rules, and how many hosts may reboot at once.

ALTER TABLE deployments ADD COLUMN rollout jsonb;                 -- as asked for, its rule as it is now; NULL: none
ALTER TABLE deployments ADD COLUMN ring_names text[] NOT NULL DEFAULT '{}';
ALTER TABLE deployments ADD COLUMN rings_released integer NOT NULL DEFAULT 0; -- so many rings may start
ALTER TABLE deployments ADD COLUMN soak_skipped boolean NOT NULL DEFAULT false; -- of the ring released last
ALTER TABLE deployments ADD COLUMN stopped_at timestamptz;
ALTER TABLE deployments ADD COLUMN stop_reason text;
ALTER TABLE deployments ADD COLUMN rolling boolean NOT NULL DEFAULT false; -- there is something left to decide
CREATE INDEX deployments_rolling ON deployments (id) WHERE rolling;

ALTER TABLE jobs ADD COLUMN ring integer NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN held boolean NOT NULL DEFAULT false;  -- queued, and waits for its ring or for a stop to end
ALTER TABLE jobs ADD COLUMN excused boolean NOT NULL DEFAULT false; -- failed, and an operator went on despite of it
ALTER TABLE jobs ADD COLUMN max_unavailable integer;
-- What is held has no start: neither the scan for due jobs nor a change of windows looks at it.
ALTER TABLE jobs ADD CHECK (NOT held OR state <> 'queued' OR (not_before IS NULL AND NOT by_calendar));

ALTER TABLE groups ADD COLUMN max_unavailable integer CHECK (max_unavailable > 0);
