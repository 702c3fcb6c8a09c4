/** What clocks do to an opening on nights when they change, in words. Pure. */
import type { Occurrence } from "@/api/types";
import { clock, wallOf } from "@/lib/zones";

const HALF_HOUR = 30 * 60_000;
const LONGEST_CHANGE = 4;

const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));

/** Whether a clock there shows the same time again within two hours after `at`. */
function shownTwice(at: number, zone: string): boolean {
  const time = clock(at, zone);
  const day = wallOf(at, zone).day;
  for (let step = 1; step <= LONGEST_CHANGE; step++) {
    const later = at + step * HALF_HOUR;
    if (clock(later, zone) === time && wallOf(later, zone).day === day) return true;
  }
  return false;
}

/** How an opening differs from what the rule says, because clocks change; null when it does not. */
export function remark(occurrence: Occurrence, startTime: string | null, zone: string): string | null {
  if (startTime === null) return null;
  const opens = Date.parse(occurrence.opens_at);
  const closes = Date.parse(occurrence.closes_at);
  const shown = clock(opens, zone);
  if (shown !== startTime)
    return `Clocks jump over ${startTime} that night, so it opens at ${shown}, where they land.`;
  if (shownTwice(opens, zone)) return `Clocks show ${startTime} twice that night; it opens the first time.`;
  const minutes = Math.round((closes - opens) / 60_000);
  const planned = (minutesOf(startTime) + minutes) % 1440;
  const ends = minutesOf(clock(closes, zone));
  if (planned !== ends)
    return `Clocks change while it is open: it stays open as long as ever, and closes at ${clock(closes, zone)}.`;
  return null;
}
