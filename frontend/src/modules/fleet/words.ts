/** How hosts' states are said and coloured, and the sentences above the fleet map. */
import type { ActorState, FleetTotals, Health, HostRow, JobState } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { ageDays } from "@/lib/time";
import { count, plural } from "@/lib/words";

export const HEALTH_TONES: Record<Health, Tone> = {
  healthy: "healthy",
  degraded: "attention",
  unreachable: "danger",
  unknown: "unknown",
};

export const HEALTHS = ["unreachable", "degraded", "unknown", "healthy"] as const satisfies readonly Health[];

export const ACTOR_TONES: Record<ActorState, Tone> = {
  starting: "unknown",
  idle: "healthy",
  waiting: "working",
  polling: "working",
  backing_off: "attention",
  working: "working",
  quarantined: "danger",
  stopped: "unknown",
};

export const JOB_TONES: Record<JobState, Tone> = {
  queued: "unknown",
  dispatching: "working",
  running: "working",
  rebooting: "working",
  verifying: "working",
  succeeded: "healthy",
  failed: "danger",
  cancelled: "unknown",
  outcome_unknown: "attention",
};

/** Days after which a pending critical or security patch counts as overdue (the server's rule for the totals). */
export const OVERDUE_DAYS = 7;

/** Whether the oldest critical or security patch of a host waits longer than seven days. */
export function isOverdue(row: HostRow, at?: number): boolean {
  return row.oldest_security_at !== null && ageDays(row.oldest_security_at, at) >= OVERDUE_DAYS;
}

/** A part of the dashboard's first line: words and where they lead. */
export interface Statement {
  tone: Tone;
  text: string;
  to: string;
}

/** What wants attention, worst first; empty when nothing does. `failedJobs` is the number of the last 24 hours. */
export function statements(totals: FleetTotals, failedJobs: number): Statement[] {
  const found: Statement[] = [];
  const say = (value: number, tone: Tone, text: string, to: string) => {
    if (value > 0) found.push({ tone, text, to });
  };
  const by = (health: Health) => totals.by_health[health] ?? 0;
  const quarantined = totals.by_actor_state.quarantined ?? 0;
  say(
    by("unreachable"),
    "danger",
    `${plural(by("unreachable"), "host")} unreachable`,
    "/hosts?health=unreachable",
  );
  say(failedJobs, "danger", `${plural(failedJobs, "job")} failed in 24 hours`, "/jobs?view=failures");
  say(quarantined, "danger", `${plural(quarantined, "host")} quarantined`, "/hosts?actor=quarantined");
  say(
    totals.overdue_critical,
    "attention",
    `${count(totals.overdue_critical)} ${totals.overdue_critical === 1 ? "host has" : "hosts have"} security patches older than ${OVERDUE_DAYS} days`,
    "/hosts?is=overdue",
  );
  say(by("degraded"), "attention", `${plural(by("degraded"), "host")} degraded`, "/hosts?health=degraded");
  say(
    totals.reboot_required,
    "attention",
    `${count(totals.reboot_required)} ${totals.reboot_required === 1 ? "needs" : "need"} a reboot`,
    "/hosts?is=reboot",
  );
  say(
    totals.never_polled,
    "unknown",
    `${plural(totals.never_polled, "host")} never polled`,
    "/hosts?is=unread",
  );
  return found;
}
