/** Which hosts: a filter that lives in the URL, its test, its counts and its order. Pure. */
import type { ActorState, Health, HostRow, Severity } from "@/api/types";
import { SEVERITIES } from "@/components/Bars";
import { naturally } from "@/lib/words";
import { HEALTHS, isOverdue } from "@/modules/fleet/words";

/** Yes-or-no questions about a host. */
export const QUESTIONS = {
  overdue: "Overdue security",
  security: "Security pending",
  reboot: "Reboot needed",
  working: "Job in hand",
  unread: "Never polled",
  compliant: "Nothing pending",
} as const;

export type Question = keyof typeof QUESTIONS;

export interface HostFilter {
  q: string;
  health: Health[];
  is: Question[];
  severity: Severity[];
  actor: ActorState[];
  os: string | null;
  /** A group's id, or `none` for hosts in no group. */
  group: string | null;
}

export const NO_FILTER: HostFilter = {
  q: "",
  health: [],
  is: [],
  severity: [],
  actor: [],
  os: null,
  group: null,
};

const ACTORS: readonly ActorState[] = [
  "starting",
  "idle",
  "waiting",
  "polling",
  "backing_off",
  "working",
  "quarantined",
  "stopped",
];

function words<Word extends string>(params: URLSearchParams, name: string, known: readonly Word[]): Word[] {
  const given = (params.get(name) ?? "").split(",");
  return known.filter((word) => given.includes(word));
}

/** Read a filter from a URL; words nobody knows are left out. */
export function filterFrom(params: URLSearchParams): HostFilter {
  return {
    q: params.get("q") ?? "",
    health: words(params, "health", HEALTHS),
    is: words(params, "is", Object.keys(QUESTIONS) as Question[]),
    severity: words(params, "severity", SEVERITIES),
    actor: words(params, "actor", ACTORS),
    os: params.get("os"),
    group: params.get("group"),
  };
}

/** Write a filter into a URL's parameters, leaving the others as they are. */
export function filterInto(params: URLSearchParams, filter: HostFilter): URLSearchParams {
  const next = new URLSearchParams(params);
  const put = (name: string, value: string) => (value === "" ? next.delete(name) : next.set(name, value));
  put("q", filter.q.trim() === "" ? "" : filter.q);
  put("health", filter.health.join(","));
  put("is", filter.is.join(","));
  put("severity", filter.severity.join(","));
  put("actor", filter.actor.join(","));
  put("os", filter.os ?? "");
  put("group", filter.group ?? "");
  return next;
}

export function isFiltered(filter: HostFilter): boolean {
  return filterInto(new URLSearchParams(), filter).size > 0;
}

/** `Debian 12`; hosts that never answered have none. */
export function osOf(row: HostRow): string {
  if (row.os_name === null) return "unknown";
  const name = row.os_name.replace(/ GNU\/Linux$/, "");
  return row.os_version === null ? name : `${name} ${row.os_version}`;
}

const ANSWERS: Record<Question, (row: HostRow) => boolean> = {
  overdue: (row) => isOverdue(row),
  security: (row) => row.pending_security > 0,
  reboot: (row) => row.reboot_required,
  working: (row) => row.job !== null,
  unread: (row) => row.patches_read_at === null,
  // A host whose patches were never read is unknown, not compliant.
  compliant: (row) => row.patches_read_at !== null && row.pending_patches === 0,
};

export function answers(question: Question, row: HostRow): boolean {
  return ANSWERS[question](row);
}

function haystack(row: HostRow): string {
  return [
    row.display_name,
    row.address,
    row.fqdn,
    osOf(row),
    row.kernel,
    row.agent_version,
    row.health_reason,
  ]
    .join("\n")
    .toLowerCase();
}

/** A test for the filter; every word of the search must be found somewhere in the host's names or facts. */
export function matcher(filter: HostFilter): (row: HostRow) => boolean {
  const needles = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const { health, is, severity, actor, os, group } = filter;
  return (row) =>
    (health.length === 0 || health.includes(row.health)) &&
    is.every((question) => ANSWERS[question](row)) &&
    (severity.length === 0 || severity.some((name) => row.pending_by_severity[name] > 0)) &&
    (actor.length === 0 || actor.includes(row.actor_state)) &&
    (os === null || osOf(row) === os) &&
    (group === null || (group === "none" ? row.group_ids.length === 0 : row.group_ids.includes(group))) &&
    (needles.length === 0 || needles.every((needle) => haystack(row).includes(needle)));
}

const HEALTH_ORDER: Record<Health, number> = { unreachable: 0, degraded: 1, unknown: 2, healthy: 3 };

/** One number that orders hosts by their worst patches first. */
function severityWeight(row: HostRow): number {
  const by = row.pending_by_severity;
  return by.critical * 1e9 + by.high * 1e6 + by.medium * 1e3 + by.low + by.unknown;
}

const moment = (iso: string | null) => (iso === null ? Number.POSITIVE_INFINITY : Date.parse(iso));

export const SORTS: Record<string, (a: HostRow, b: HostRow) => number> = {
  health: (a, b) => HEALTH_ORDER[a.health] - HEALTH_ORDER[b.health] || severityWeight(b) - severityWeight(a),
  name: (a, b) => naturally.compare(a.display_name, b.display_name),
  address: (a, b) => naturally.compare(a.address, b.address),
  patches: (a, b) => severityWeight(b) - severityWeight(a),
  oldest: (a, b) => compare(moment(a.oldest_security_at), moment(b.oldest_security_at)),
  cves: (a, b) => b.cve_count - a.cve_count,
  reboot: (a, b) => Number(b.reboot_required) - Number(a.reboot_required),
  os: (a, b) => naturally.compare(osOf(a), osOf(b)),
  kernel: (a, b) => naturally.compare(a.kernel ?? "", b.kernel ?? ""),
  agent: (a, b) => naturally.compare(a.agent_version ?? "", b.agent_version ?? ""),
  seen: (a, b) => compare(moment(b.last_seen_at), moment(a.last_seen_at)),
  activity: (a, b) => naturally.compare(a.actor_state, b.actor_state),
};

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Hosts that match, in order; equal ones by name, so that the order never flickers. */
export function choose(
  rows: Iterable<HostRow>,
  filter: HostFilter,
  sort = "health",
  descending = false,
): HostRow[] {
  const test = matcher(filter);
  const found: HostRow[] = [];
  for (const row of rows) if (test(row)) found.push(row);
  const order = SORTS[sort] ?? SORTS.name;
  const sign = descending ? -1 : 1;
  return found.sort(
    (a, b) =>
      sign * (order?.(a, b) ?? 0) ||
      naturally.compare(a.display_name, b.display_name) ||
      (a.id < b.id ? -1 : 1),
  );
}

export interface Facets {
  health: Record<Health, number>;
  is: Record<Question, number>;
  os: Map<string, number>;
  group: Map<string, number>;
}

/** How many hosts each chip would show, given the other filters. */
export function facets(rows: Iterable<HostRow>, filter: HostFilter): Facets {
  const found: Facets = {
    health: { healthy: 0, degraded: 0, unreachable: 0, unknown: 0 },
    is: { overdue: 0, security: 0, reboot: 0, working: 0, unread: 0, compliant: 0 },
    os: new Map(),
    group: new Map(),
  };
  const whole = matcher(filter);
  const noHealth = matcher({ ...filter, health: [] });
  const noOs = matcher({ ...filter, os: null });
  const noGroup = matcher({ ...filter, group: null });
  const add = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const row of rows) {
    if (noHealth(row)) found.health[row.health] += 1;
    if (noOs(row)) add(found.os, osOf(row));
    if (noGroup(row))
      for (const id of row.group_ids.length === 0 ? ["none"] : row.group_ids) add(found.group, id);
    if (whole(row)) {
      for (const question of Object.keys(ANSWERS) as Question[])
        if (ANSWERS[question](row)) found.is[question] += 1;
    }
  }
  return found;
}
