/** What a cell says in each colouring: its meaning as a look, its word, and the filter that lists its hosts. Pure. */
import type { HostRow } from "@/api/types";
import { ageDays } from "@/lib/time";

export type Colouring = "health" | "age" | "job";

/** Fill by token, and a shape so that colour is never alone. */
export interface Look {
  key: string;
  word: string;
  token: string;
  shape: "solid" | "triangle" | "cross" | "dashed" | "fill" | "dot" | "empty";
  /** URL parameters of the host list that shows these hosts; null when no filter says the same. */
  filter: string | null;
}

const HEALTH: Record<HostRow["health"], Look> = {
  unreachable: {
    key: "unreachable",
    word: "Unreachable",
    token: "danger",
    shape: "cross",
    filter: "health=unreachable",
  },
  degraded: {
    key: "degraded",
    word: "Degraded",
    token: "attention",
    shape: "triangle",
    filter: "health=degraded",
  },
  unknown: { key: "unknown", word: "Unknown", token: "unknown", shape: "dashed", filter: "health=unknown" },
  healthy: { key: "healthy", word: "Healthy", token: "healthy", shape: "solid", filter: "health=healthy" },
};
const WORKING: Look = {
  key: "working",
  word: "Job in hand",
  token: "working",
  shape: "fill",
  filter: "is=working",
};
const QUARANTINED: Look = {
  key: "quarantined",
  word: "Quarantined",
  token: "danger",
  shape: "dot",
  filter: "actor=quarantined",
};

const AGES: Look[] = [
  { key: "age-none", word: "No security patch pending", token: "age-0", shape: "solid", filter: null },
  { key: "age-7", word: "Under 7 days", token: "age-1", shape: "solid", filter: null },
  { key: "age-30", word: "7 to 30 days", token: "age-2", shape: "dot", filter: null },
  { key: "age-90", word: "30 to 90 days", token: "age-3", shape: "triangle", filter: null },
  { key: "age-more", word: "Over 90 days", token: "age-4", shape: "cross", filter: null },
];
const UNREAD: Look = {
  key: "unread",
  word: "Patches never read",
  token: "unknown",
  shape: "dashed",
  filter: "is=unread",
};

const NO_JOB: Look = { key: "idle", word: "No job", token: "line-strong", shape: "empty", filter: null };
const REBOOTING: Look = {
  key: "rebooting",
  word: "Rebooting",
  token: "attention",
  shape: "triangle",
  filter: null,
};
const VERIFYING: Look = { key: "verifying", word: "Verifying", token: "healthy", shape: "dot", filter: null };
const UNRESOLVED: Look = {
  key: "unresolved",
  word: "Outcome unknown",
  token: "danger",
  shape: "cross",
  filter: null,
};

/** All looks of a colouring in the order of its legend, worst first. */
export const LEGENDS: Record<Colouring, readonly Look[]> = {
  health: [QUARANTINED, HEALTH.unreachable, HEALTH.degraded, WORKING, HEALTH.unknown, HEALTH.healthy],
  age: [...AGES.toReversed(), UNREAD],
  job: [UNRESOLVED, REBOOTING, WORKING, VERIFYING, NO_JOB],
};

function ageLook(row: HostRow, at?: number): Look {
  if (row.patches_read_at === null) return UNREAD;
  if (row.oldest_security_at === null) return AGES[0] ?? UNREAD;
  const days = ageDays(row.oldest_security_at, at);
  const step = days < 7 ? 1 : days < 30 ? 2 : days < 90 ? 3 : 4;
  return AGES[step] ?? UNREAD;
}

function jobLook(row: HostRow): Look {
  switch (row.job?.state) {
    case undefined:
      return NO_JOB;
    case "rebooting":
      return REBOOTING;
    case "verifying":
      return VERIFYING;
    case "outcome_unknown":
      return UNRESOLVED;
    default:
      return WORKING;
  }
}

function healthLook(row: HostRow): Look {
  if (row.actor_state === "quarantined") return QUARANTINED;
  // A job in hand is the news, unless the host is in trouble.
  if (row.job !== null && row.health !== "unreachable") return WORKING;
  return HEALTH[row.health];
}

/** How one host looks. */
export function lookOf(row: HostRow, colouring: Colouring, at?: number): Look {
  if (colouring === "age") return ageLook(row, at);
  return colouring === "job" ? jobLook(row) : healthLook(row);
}
