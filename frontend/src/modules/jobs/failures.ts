/** Failed jobs: which are news, and what failed for the same reason. */
import { useSyncExternalStore } from "react";
import { useFailures } from "@/api/queries";
import type { Job } from "@/api/types";
import { Value } from "@/lib/store";
import { DAY, now } from "@/lib/time";

const SEEN = "patch-manager.failures-seen";

// What a person has looked at belongs to their browser, not to the server.
const seen = new Value<number>(Number(localStorage.getItem(SEEN) ?? 0));

/** Failures up to now were looked at. */
export function markFailuresSeen(): void {
  localStorage.setItem(SEEN, String(now()));
  seen.set(now());
}

/** How many jobs failed since the failures were last looked at; failed work stays visible until seen. */
export function useUnseenFailures(): number {
  const since = useSyncExternalStore(seen.subscribe, seen.get);
  const jobs = useFailures().data?.items ?? [];
  return jobs.filter((job) => endOf(job) > since).length;
}

/** Jobs that ended within the last 24 hours. */
export function recent(jobs: readonly Job[], at = now()): Job[] {
  return jobs.filter((job) => at - endOf(job) < DAY);
}

function endOf(job: Job): number {
  return Date.parse(job.finished_at ?? job.created_at);
}

export interface Cause {
  /** The agent's error code, or the first words of its message. */
  key: string;
  title: string;
  jobs: Job[];
}

/** Digits, versions and host names differ between hosts that failed alike. */
function normalised(text: string): string {
  return text
    .toLowerCase()
    .replace(/\d+([.:]\d+)*/g, "#")
    .slice(0, 80);
}

/** The last attempt's error of a job in words. */
export function errorOf(job: Job): { code: string | null; text: string } {
  const last = job.attempts.at(-1);
  const code = last?.error_code ?? null;
  const text = last?.error ?? job.message;
  // Agents repeat the code before their words.
  return { code, text: code !== null && text.startsWith(`${code}: `) ? text.slice(code.length + 2) : text };
}

/** Failures gathered by cause, the most frequent first. */
export function byCause(jobs: readonly Job[]): Cause[] {
  const found = new Map<string, Cause>();
  for (const job of jobs) {
    const { code, text } = errorOf(job);
    const key = code ?? normalised(text);
    const cause = found.get(key) ?? {
      key,
      title: code === null ? text || "No reason given" : code,
      jobs: [],
    };
    cause.jobs.push(job);
    found.set(key, cause);
  }
  return [...found.values()].sort((a, b) => b.jobs.length - a.jobs.length || (a.title < b.title ? -1 : 1));
}
