/** Thirty days of a host's health as segments of a strip, and in words. Pure. */
import type { Health, HealthChange } from "@/api/types";
import { DAY, span } from "@/lib/time";
import { count, plural } from "@/lib/words";

export const STRIP_DAYS = 30;

export interface Segment {
  health: Health;
  reason: string;
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
}

/** Changes in any order become segments that cover the strip; time before the first one is unknown. */
export function segments(changes: readonly HealthChange[], now: number): Segment[] {
  const start = now - STRIP_DAYS * DAY;
  const sorted = changes
    .map((change) => ({ ...change, from: Date.parse(change.at) }))
    .sort((a, b) => a.from - b.from);
  const found: Segment[] = [{ health: "unknown", reason: "not managed yet", from: start, to: now }];
  for (const { health, reason, from } of sorted) {
    const last = found.at(-1);
    if (from <= start || last === undefined) {
      found[0] = { health, reason, from: start, to: now };
      continue;
    }
    last.to = from;
    found.push({ health, reason, from, to: now });
  }
  return found.filter((segment) => segment.to > segment.from);
}

/** `99.2% healthy in 30 days, unreachable 3 times, at most 2 h at a time`. */
export function stripWords(strip: readonly Segment[]): string {
  const length = (segment: Segment) => segment.to - segment.from;
  const known = strip.filter((segment) => segment.health !== "unknown");
  const total = known.reduce((sum, segment) => sum + length(segment), 0);
  if (total === 0) return "No health was read yet";
  const healthy = known
    .filter((segment) => segment.health === "healthy")
    .reduce((sum, each) => sum + length(each), 0);
  const away = known.filter((segment) => segment.health === "unreachable");
  const share = `${count(Math.floor((healthy / total) * 1000) / 10)}% healthy in ${span(total)}`;
  if (away.length === 0) return `${share}, never unreachable`;
  return `${share}, unreachable ${plural(away.length, "time")}, at most ${span(Math.max(...away.map(length)))} at a time`;
}
