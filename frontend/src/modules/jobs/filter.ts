/** Which jobs: a filter that lives in the address and is carried out by the server. Pure. */
import type { JobState } from "@/api/types";
import { DAY, now } from "@/lib/time";

export const STATES = [
  "failed",
  "outcome_unknown",
  "running",
  "rebooting",
  "verifying",
  "dispatching",
  "queued",
  "succeeded",
  "cancelled",
] as const satisfies readonly JobState[];

export const OPERATIONS = {
  patchapply: "patching",
  reboot: "reboot",
  rollback: "rollback",
  install: "installation",
  update: "update",
  remove: "removal",
} as const;

export type OperationWord = keyof typeof OPERATIONS;

/** Spans of time up to now, in days. */
export const SPANS = { "1": "last 24 hours", "7": "last 7 days", "30": "last 30 days" } as const;

export type SpanWord = keyof typeof SPANS;

export interface JobFilter {
  q: string;
  state: JobState[];
  operation: OperationWord | null;
  days: SpanWord | null;
}

function one<Word extends string>(text: string | null, known: Record<Word, unknown>): Word | null {
  return text !== null && Object.hasOwn(known, text) ? (text as Word) : null;
}

export function jobFilterFrom(params: URLSearchParams): JobFilter {
  const states = (params.get("state") ?? "").split(",");
  return {
    q: params.get("q") ?? "",
    state: STATES.filter((state) => states.includes(state)),
    operation: one(params.get("operation"), OPERATIONS),
    days: one(params.get("days"), SPANS),
  };
}

export function jobFilterInto(params: URLSearchParams, filter: JobFilter): URLSearchParams {
  const next = new URLSearchParams(params);
  const put = (name: string, value: string) => (value === "" ? next.delete(name) : next.set(name, value));
  put("q", filter.q);
  put("state", filter.state.join(","));
  put("operation", filter.operation ?? "");
  put("days", filter.days ?? "");
  return next;
}

/** The query of the request. Times are cut to the minute, so that the same question stays the same. */
export function jobQuery(filter: JobFilter, at = now()): URLSearchParams {
  const params = new URLSearchParams();
  if (filter.q.trim() !== "") params.set("search", filter.q.trim());
  if (filter.state.length > 0) params.set("state", filter.state.join(","));
  if (filter.operation !== null) params.set("operation", filter.operation);
  if (filter.days !== null) {
    const minute = Math.floor(at / 60_000) * 60_000;
    params.set("since", new Date(minute - Number(filter.days) * DAY).toISOString());
  }
  return params;
}
