/** Deployments in words. Pure. */
import type { Deployment, JobTotals } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { count, listed, plural } from "@/lib/words";

const NAMED = 2;

/** What a deployment installs: `security patches`, `everything pending`, `openssl and curl`, `12 packages`. */
export function whatOf(deployment: Pick<Deployment, "packages" | "security_only">): string {
  const { packages } = deployment;
  if (packages === null) return deployment.security_only ? "security patches" : "everything pending";
  return packages.length <= NAMED ? listed(packages) : plural(packages.length, "package");
}

export function inFlight(totals: JobTotals): number {
  return totals.dispatching + totals.running + totals.rebooting + totals.verifying;
}

/** `38 of 41 hosts succeeded, 2 failed, 1 at work`. */
export function progressWords(totals: JobTotals): string {
  const words = [`${count(totals.succeeded)} of ${plural(totals.total, "host")} succeeded`];
  const say = (value: number, word: string) => {
    if (value > 0) words.push(`${count(value)} ${word}`);
  };
  say(totals.failed, "failed");
  say(totals.outcome_unknown, "with an unknown outcome");
  say(inFlight(totals), "at work");
  say(totals.queued, "queued");
  say(totals.cancelled, "cancelled");
  return words.join(", ");
}

/** The limits of a rollout: `30 min after each ring; stops when more than 10% of a ring fail`. */
export function limitWords(rollout: NonNullable<Deployment["rollout"]>): string {
  const { soak_minutes: soak, stop_after_failures: failures, stop_after_failed_percent: percent } = rollout;
  const words: string[] = [];
  if (soak > 0) words.push(`${count(soak)} min after each ring`);
  if (failures !== null)
    words.push(
      failures === 0 ? "stops at the first failure" : `stops when more than ${plural(failures, "host")} fail`,
    );
  if (percent !== null) words.push(`stops when more than ${count(percent)}% of a ring fail`);
  if (rollout.max_unavailable !== null)
    words.push(`at most ${plural(rollout.max_unavailable, "host")} of a group rebooting`);
  return words.join("; ");
}

export const DEPLOYMENT_TONES: Record<Deployment["state"], Tone> = {
  queued: "unknown",
  running: "working",
  stopped: "danger",
  succeeded: "healthy",
  failed: "danger",
  cancelled: "unknown",
};
