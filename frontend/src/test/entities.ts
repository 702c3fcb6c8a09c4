/** Hosts, jobs and totals for tests, all in one place. */
import type { Attempt, FleetTotals, HostRow, Job, JobTotals, PreviewHost } from "@/api/types";

export const NOW = Date.parse("2026-03-01T12:00:00Z");

/** The moment `days` days (and `hours` hours) before NOW. */
export function ago(days: number, hours = 0): string {
  return new Date(NOW - (days * 24 + hours) * 3_600_000).toISOString();
}

export function host(id: string, changes: Partial<HostRow> = {}): HostRow {
  return {
    id,
    address: "127.0.0.2",
    port: 12443,
    fqdn: null,
    display_name: id,
    health: "healthy",
    health_reason: "",
    health_since: ago(3),
    os_name: "Debian GNU/Linux",
    os_version: "12",
    kernel: "6.1.0",
    architecture: "x86_64",
    agent_version: "2.5.5",
    last_seen_at: ago(0),
    reboot_required: false,
    reboot_hold: false,
    reboot_hold_reason: null,
    reboot_hold_by: null,
    reboot_hold_at: null,
    pending_patches: 0,
    pending_security: 0,
    pending_by_severity: { critical: 0, high: 0, medium: 0, low: 0, unknown: 0 },
    pending_reboots: 0,
    cve_count: 0,
    max_severity: null,
    oldest_security_at: null,
    patches_read_at: ago(0),
    actor_state: "idle",
    activity: "idle",
    next_poll_at: null,
    job: null,
    group_ids: [],
    created_at: ago(90),
    revision: 1,
    ...changes,
  };
}

export function totals(changes: Partial<FleetTotals> = {}): FleetTotals {
  return {
    hosts: 0,
    by_health: {},
    by_actor_state: {},
    reboot_required: 0,
    pending_patches: 0,
    pending_security: 0,
    with_critical: 0,
    overdue_critical: 0,
    never_polled: 0,
    working: 0,
    ...changes,
  };
}

export function attempt(changes: Partial<Attempt> = {}): Attempt {
  return {
    number: 1,
    agent_job_id: null,
    state: "failed",
    sends: 1,
    adopted: false,
    error_code: null,
    error: null,
    exit_code: null,
    stdout: null,
    stderr: null,
    started_at: ago(0, 1),
    finished_at: ago(0),
    ...changes,
  };
}

export function job(id: string, changes: Partial<Job> = {}): Job {
  return {
    id,
    host_id: `host-of-${id}`,
    host_name: `host-of-${id}`,
    deployment_id: "d",
    operation: "patchapply",
    state: "running",
    progress: 0,
    message: "",
    reboot: "never",
    when: "now",
    not_before: null,
    ring: 0,
    reason: "",
    created_by: null,
    rollback_of: null,
    attempts: [],
    packages: [],
    created_at: ago(0, 2),
    started_at: ago(0, 1),
    finished_at: null,
    ...changes,
  };
}

export function jobTotals(changes: Partial<JobTotals> = {}): JobTotals {
  return {
    total: 0,
    queued: 0,
    dispatching: 0,
    running: 0,
    rebooting: 0,
    verifying: 0,
    succeeded: 0,
    failed: 0,
    cancelled: 0,
    outcome_unknown: 0,
    ...changes,
  };
}

export function previewHost(id: string, changes: Partial<PreviewHost> = {}): PreviewHost {
  return {
    host_id: id,
    display_name: id,
    address: "127.0.0.2",
    packages: [],
    will_reboot: false,
    runs: "at once",
    runs_at: null,
    ring: 0,
    excluded: [],
    outside_windows: false,
    problem: null,
    reboot_hold: null,
    ...changes,
  };
}
