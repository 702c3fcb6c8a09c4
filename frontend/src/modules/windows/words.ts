/** Openings and freezes in words. Pure. */
import type { Freeze, MaintenanceWindow, Opening } from "@/api/types";
import { count, listed, plural } from "@/lib/words";
import { clock, daysBetween, wallOf } from "@/lib/zones";

/** `02:00–05:00`; with the days it lasts beyond the next midnight but one. */
export function spanWords(opens: string, closes: string, zone: string): string {
  const [from, to] = [Date.parse(opens), Date.parse(closes)];
  const [start, end] = [wallOf(from, zone), wallOf(to, zone)];
  const days = daysBetween(start, end);
  const later = days > 1 ? ` +${days} d` : "";
  return `${clock(from, zone)}–${clock(to, zone)}${later}`;
}

/** `214 hosts`, or the name of the only one. */
export function hostsWords(opening: Opening): string {
  return opening.hosts === 1 ? listed(opening.host_names) : plural(opening.hosts, "host");
}

/** What of an opening fits into a narrow place first: `214`, and then ` hosts`. */
export function hostsParts(opening: Opening, hosts = opening.hosts): [string, string] {
  return hosts === 1 ? [listed(opening.host_names), ""] : [count(hosts), " hosts"];
}

/** What a freeze does to an opening; null when nothing. */
export function frozenWords(opening: Opening): string | null {
  if (opening.frozen_hosts === 0) return null;
  const reason = opening.frozen === null ? "" : `: ${opening.frozen}`;
  if (opening.frozen_hosts === opening.hosts) return `frozen${reason}`;
  return `${count(opening.frozen_hosts)} of ${count(opening.hosts)} frozen${reason}`;
}

export function waitingWords(opening: Opening): string | null {
  return opening.waiting === 0
    ? null
    : `${plural(opening.waiting, "job")} ${opening.waiting === 1 ? "waits" : "wait"}`;
}

/** Whether a freeze is for a host of these groups. */
export function concerns(freeze: Pick<Freeze, "group_id">, groups: readonly string[]): boolean {
  return freeze.group_id === null || groups.includes(freeze.group_id);
}

export function freezeScope(freeze: Freeze): string {
  return freeze.group_id === null ? "All hosts" : (freeze.group_name ?? "A group");
}

export type FreezeState = "in force" | "planned" | "over";

export function freezeState(freeze: Freeze, at: number): FreezeState {
  if (Date.parse(freeze.ends_at) <= at) return "over";
  return Date.parse(freeze.starts_at) <= at ? "in force" : "planned";
}

export type WindowState = "open" | "enabled" | "disabled" | "over";

/** A window that never opens again is over, enabled or not. */
export function windowState(window: MaintenanceWindow): WindowState {
  if (!window.enabled) return "disabled";
  if (window.open) return "open";
  return window.next_opens_at === null ? "over" : "enabled";
}

/** The address of an opening: its moments in seconds, short. */
export function openingKey(opening: Pick<Opening, "opens_at" | "closes_at">): string {
  return [opening.opens_at, opening.closes_at].map((at) => (Date.parse(at) / 1000).toString(36)).join("-");
}

export function openingFrom(key: string): Pick<Opening, "opens_at" | "closes_at"> | null {
  const [opens, closes] = key.split("-").map((part) => Number.parseInt(part, 36) * 1000);
  if (opens === undefined || closes === undefined || !(opens > 0 && closes > opens && closes < 4e12))
    return null;
  return { opens_at: new Date(opens).toISOString(), closes_at: new Date(closes).toISOString() };
}

export type Look = "usual" | "open" | "frozen" | "past";

/** How openings drawn as one look: frozen when a freeze holds any host of them. */
export function lookOf(openings: readonly Opening[], at: number): Look {
  if (openings.every((each) => Date.parse(each.closes_at) <= at)) return "past";
  if (openings.some((each) => each.frozen_hosts > 0)) return "frozen";
  return openings.some((each) => Date.parse(each.opens_at) <= at && at < Date.parse(each.closes_at))
    ? "open"
    : "usual";
}
