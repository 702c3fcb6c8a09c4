/** Which windows a list shows, and in which order. Pure. */
import type { MaintenanceWindow } from "@/api/types";
import { naturally } from "@/lib/words";
import { ruleWords } from "@/modules/windows/rule";
import { type WindowState, windowState } from "@/modules/windows/words";

export const STATES = ["open", "enabled", "disabled", "over"] as const satisfies readonly WindowState[];
export const KINDS = [
  "daily",
  "weekly",
  "monthly",
  "once",
] as const satisfies readonly MaintenanceWindow["kind"][];

export interface WindowFilter {
  q: string;
  state: WindowState[];
  kind: MaintenanceWindow["kind"][];
}

function words<Word extends string>(params: URLSearchParams, name: string, known: readonly Word[]): Word[] {
  const given = (params.get(name) ?? "").split(",");
  return known.filter((word) => given.includes(word));
}

export function windowFilterFrom(params: URLSearchParams): WindowFilter {
  return {
    q: params.get("q") ?? "",
    state: words(params, "state", STATES),
    kind: words(params, "kind", KINDS),
  };
}

export function windowFilterInto(params: URLSearchParams, filter: WindowFilter): URLSearchParams {
  const next = new URLSearchParams(params);
  const put = (name: string, value: string) => (value === "" ? next.delete(name) : next.set(name, value));
  put("q", filter.q);
  put("state", filter.state.join(","));
  put("kind", filter.kind.join(","));
  return next;
}

function found(window: MaintenanceWindow, q: string): boolean {
  const text = [window.host_name, window.name, window.timezone, ruleWords(window)].join("\n").toLowerCase();
  return q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

const moment = (iso: string | null) => (iso === null ? Number.MAX_SAFE_INTEGER : Date.parse(iso));

const ORDERS: Record<string, (a: MaintenanceWindow, b: MaintenanceWindow) => number> = {
  host: (a, b) => naturally.compare(a.host_name, b.host_name),
  name: (a, b) => naturally.compare(a.name, b.name),
  zone: (a, b) => naturally.compare(a.timezone, b.timezone),
  next: (a, b) => moment(a.next_opens_at) - moment(b.next_opens_at),
};

export function chooseWindows(
  windows: readonly MaintenanceWindow[],
  filter: WindowFilter,
  sort: string,
  descending: boolean,
): MaintenanceWindow[] {
  const { q, state, kind } = filter;
  const order = ORDERS[sort] ?? ORDERS.next;
  const sign = descending ? -1 : 1;
  return windows
    .filter(
      (each) =>
        (state.length === 0 || state.includes(windowState(each))) &&
        (kind.length === 0 || kind.includes(each.kind)) &&
        (q === "" || found(each, q)),
    )
    .sort(
      (a, b) =>
        sign * (order?.(a, b) ?? 0) || naturally.compare(a.host_name, b.host_name) || (a.id < b.id ? -1 : 1),
    );
}

/** How many windows each chip would show, whatever the other chips say. */
export function windowCounts(windows: readonly MaintenanceWindow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of windows)
    for (const key of [windowState(each), each.kind]) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
