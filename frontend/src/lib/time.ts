/** Times as operators read them: relative, with the exact one at hand, in the viewer's zone. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const exactFormat = new Intl.DateTimeFormat("en", {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

/** The browser's clock may be wrong; the server's Date header corrects it when they differ by more than this. */
const TOLERATED_SKEW = 5 * SECOND;
let skew = 0;

/** Learn the server's clock from the `Date` header of an answer. */
export function learnServerTime(header: string | null, received = Date.now()): void {
  const server = header === null ? Number.NaN : Date.parse(header);
  if (Number.isNaN(server)) return;
  skew = Math.abs(server - received) > TOLERATED_SKEW ? server - received : 0;
}

/** Milliseconds since the epoch on the server's clock. */
export function now(): number {
  return Date.now() + skew;
}

/** A span in one or two units, `45 s`, `2 min`, `3 h 10 min`, `12 d`; never negative. */
export function span(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) {
    const minutes = Math.floor((ms % HOUR) / MINUTE);
    return minutes === 0 ? `${Math.floor(ms / HOUR)} h` : `${Math.floor(ms / HOUR)} h ${minutes} min`;
  }
  return `${Math.floor(ms / DAY)} d`;
}

/** `12 s ago`, `in 2 min`, `just now`. */
export function relative(iso: string, at: number = now()): string {
  const difference = at - Date.parse(iso);
  if (Math.abs(difference) < 2 * SECOND) return "just now";
  return difference >= 0 ? `${span(difference)} ago` : `in ${span(-difference)}`;
}

/** When something is due: `in 2 min`, or `due now` once it is. */
export function untilWords(iso: string, at: number = now()): string {
  return Date.parse(iso) - at < 2 * SECOND ? "due now" : relative(iso, at);
}

/** Whole days between a moment and now; 0 for the future. */
export function ageDays(iso: string, at: number = now()): number {
  return Math.max(0, Math.floor((at - Date.parse(iso)) / DAY));
}

const dayFormat = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: "numeric" });

/** The day of a moment in the viewer's zone. */
export function day(iso: string): string {
  return dayFormat.format(new Date(iso));
}

/** The exact moment in the viewer's zone, which it names. */
export function exact(iso: string): string {
  return exactFormat.format(new Date(iso));
}
