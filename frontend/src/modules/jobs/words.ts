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

export const DEPLOYMENT_TONES: Record<Deployment["state"], Tone> = {
  queued: "unknown",
  running: "working",
  stopped: "danger",
  succeeded: "healthy",
  failed: "danger",
  cancelled: "unknown",
};
