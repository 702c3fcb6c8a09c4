/** Days and clocks of any time zone, by the browser's own tables. Moments are milliseconds since the epoch. Pure. */
import { DAY, now } from "@/lib/time";

/** A date on a calendar, in no zone. */
export interface Day {
  year: number;
  month: number;
  day: number;
}

export interface Wall extends Day {
  hour: number;
  minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making a format is what costs, so each is made once. */
function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone}\n${JSON.stringify(options)}`;
  const known = formats.get(key);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
  formats.set(key, made);
  return made;
}

const WALL: Intl.DateTimeFormatOptions = {
  calendar: "gregory",
  numberingSystem: "latn",
  hourCycle: "h23",
  year: "numeric",
  month: "numeric",
  day: "numeric",
  hour: "numeric",
  minute: "numeric",
};

/** What a clock on the wall there shows. */
export function wallOf(at: number, zone: string): Wall {
  const found: Record<string, number> = {};
  for (const part of format(zone, WALL).formatToParts(at)) found[part.type] = Number(part.value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = found;
  return { year, month, day, hour, minute };
}

/** A day as a number of days, for arithmetic. */
function serial({ year, month, day }: Day): number {
  return Math.round(Date.UTC(year, month - 1, day) / DAY);
}

function unserial(value: number): Day {
  const date = new Date(value * DAY);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

export function addDays(day: Day, days: number): Day {
  return unserial(serial(day) + days);
}

/** Days from `a` to `b`. */
export function daysBetween(a: Day, b: Day): number {
  return serial(b) - serial(a);
}

/** 0 is Monday, as in the API. */
export function weekdayOf(day: Day): number {
  // The epoch was a Thursday.
  return (((serial(day) + 3) % 7) + 7) % 7;
}

export function mondayOf(day: Day): Day {
  return addDays(day, -weekdayOf(day));
}

export function firstOfMonth(day: Day): Day {
  return { ...day, day: 1 };
}

export function addMonths(day: Day, months: number): Day {
  const index = day.year * 12 + day.month - 1 + months;
  return { year: Math.floor(index / 12), month: (((index % 12) + 12) % 12) + 1, day: 1 };
}

/** `2026-03-29`; the same text reads back by `dayFrom`. */
export function dayKey({ year, month, day }: Day): string {
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

/** A day that exists, or null. */
export function dayFrom(text: string): Day | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return null;
  const day = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
  return dayKey(unserial(serial(day))) === text ? day : null;
}

/** The first moment of that day there; where clocks jump over midnight it is the moment they land. */
export function startOfDay(day: Day, zone: string): number {
  const middle = serial(day) * DAY + DAY / 2;
  const wall = wallOf(middle, zone);
  let start = middle - daysBetween(day, wall) * DAY - (wall.hour * 60 + wall.minute) * 60_000;
  // An offset that changed between midnight and the moment looked at is corrected once.
  const seen = wallOf(start, zone);
  const off = daysBetween(day, seen) * 1440 + seen.hour * 60 + seen.minute;
  if (off !== 0) start -= off * 60_000;
  const again = wallOf(start, zone);
  return daysBetween(day, again) < 0 ? start + (1440 - again.hour * 60 - again.minute) * 60_000 : start;
}

/** `22:00` there. */
export function clock(at: number, zone: string): string {
  return format(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);
}

/** `Sun, 29 Mar 2026, 03:00 CEST`, or with the offset where a zone has no short name. */
export function exactIn(at: number, zone: string): string {
  return format(zone, {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  }).format(at);
}

/** `Sun 29 Mar, 03:00` there; with the year when it is not this one. */
export function shortIn(at: number, zone: string, today = now()): string {
  const day = wallOf(at, zone);
  const year = day.year === wallOf(today, zone).year ? "" : ` ${day.year}`;
  return `${dayWords(day)}${year}, ${clock(at, zone)}`;
}

/** `Mon 30 Mar`. */
export function dayWords(day: Day): string {
  return format("UTC", { weekday: "short", day: "numeric", month: "short" })
    .format(serial(day) * DAY)
    .replace(",", "");
}

/** `March 2026`. */
export function monthWords(day: Day): string {
  return format("UTC", { month: "long", year: "numeric" }).format(serial(firstOfMonth(day)) * DAY);
}

export function viewerZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

let names: readonly string[] | undefined;

/** Every zone this browser can show, UTC first. */
export function zoneNames(): readonly string[] {
  names ??= ["UTC", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC")];
  return names;
}

/** Whether this browser has tables for a zone. */
export function isZone(zone: string): boolean {
  try {
    format(zone, WALL);
    return true;
  } catch {
    return false;
  }
}
