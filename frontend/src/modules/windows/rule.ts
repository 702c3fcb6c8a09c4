/** The rule of a window: in words, as the fields of a form, and as the body of a request. Pure. */
import type { MaintenanceWindow, WindowCreate } from "@/api/types";
import { count, listed, sentence } from "@/lib/words";
import { viewerZone } from "@/lib/zones";

export const WEEKDAYS = [
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
  "Sunday",
] as const;

export type Kind = MaintenanceWindow["kind"];
export type Rule = Pick<
  MaintenanceWindow,
  | "kind"
  | "start_time"
  | "weekdays"
  | "day_of_month"
  | "nth_weekday"
  | "starts_at"
  | "duration_minutes"
  | "timezone"
  | "cutoff_minutes"
>;

const NTH = ["", "first", "second", "third", "fourth"];

/** `90` → `1 h 30 min`, `2880` → `2 d`. */
export function minutesWords(minutes: number): string {
  const parts: [number, string][] = [
    [Math.floor(minutes / 1440), "d"],
    [Math.floor((minutes % 1440) / 60), "h"],
    [minutes % 60, "min"],
  ];
  return (
    parts
      .filter(([value]) => value > 0)
      .map(([value, unit]) => `${count(value)} ${unit}`)
      .join(" ") || "0 min"
  );
}

/** `1` → `1st`. */
export function ordinal(value: number): string {
  const tens = value % 100;
  const ending = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${value}${ending}`;
}

function daysOf(rule: Rule): string {
  switch (rule.kind) {
    case "daily":
      return "every day";
    case "weekly": {
      const days = [...rule.weekdays].sort((a, b) => a - b);
      if (days.join() === "0,1,2,3,4") return "Monday to Friday";
      if (days.length === 7) return "every day of the week";
      return `every ${listed(days.map((day) => WEEKDAYS[day] ?? "?"))}`;
    }
    case "monthly": {
      if (rule.day_of_month === "last") return "on the last day of the month";
      if (rule.day_of_month !== null) return `on the ${ordinal(rule.day_of_month)} of the month`;
      if (rule.nth_weekday === null) return "once a month";
      const { n, weekday } = rule.nth_weekday;
      return `on the ${n === "last" ? "last" : (NTH[n] ?? "?")} ${WEEKDAYS[weekday] ?? "?"} of the month`;
    }
    case "once":
      return "once";
  }
}

/** When it opens: `Every Sunday at 02:00`, `On the last Friday of the month at 22:00`, `Once on 2026-03-29 at 02:00`. */
export function ruleWords(rule: Rule): string {
  if (rule.kind !== "once") return sentence(`${daysOf(rule)} at ${rule.start_time ?? "?"}`);
  const [day = "?", time = "?"] = onceClock(rule);
  return `Once on ${day} at ${time}`;
}

/** Where a one-time window opens on the clock of its zone: date and time. */
function onceClock(rule: Rule): [string?, string?] {
  if (rule.starts_at === null) return [];
  // `sv` writes dates as ISO 8601 does.
  const words = new Intl.DateTimeFormat("sv", {
    timeZone: rule.timezone,
    dateStyle: "short",
    timeStyle: "short",
  }).format(Date.parse(rule.starts_at));
  const [day, time] = words.split(" ");
  return [day, time];
}

/** The fields of the form; texts, as they are typed. */
export interface Draft {
  name: string;
  enabled: boolean;
  kind: Kind;
  time: string;
  weekdays: number[];
  /** Which days of the month: a number, the last day, or a weekday of it. */
  monthly: "day" | "last" | "weekday";
  day: number;
  nth: number | "last";
  weekday: number;
  date: string;
  hours: number;
  minutes: number;
  timezone: string;
  cutoff: number;
}

/** A window most people would accept: Sunday night, three hours, nothing starts in the last half hour. */
export function usualDraft(today: string): Draft {
  return {
    name: "",
    enabled: true,
    kind: "weekly",
    time: "02:00",
    weekdays: [6],
    monthly: "weekday",
    day: 1,
    nth: 2,
    weekday: 1,
    date: today,
    hours: 3,
    minutes: 0,
    timezone: viewerZone(),
    cutoff: 30,
  };
}

export function draftOf(window: MaintenanceWindow, usual: Draft): Draft {
  const { day_of_month: day, nth_weekday: nth } = window;
  const [date, time] = onceClock(window);
  return {
    ...usual,
    name: window.name,
    enabled: window.enabled,
    kind: window.kind,
    time: window.start_time ?? time ?? usual.time,
    weekdays: window.weekdays.length > 0 ? [...window.weekdays] : usual.weekdays,
    monthly: nth !== null ? "weekday" : day === "last" ? "last" : day === null ? usual.monthly : "day",
    day: typeof day === "number" ? day : usual.day,
    nth: nth?.n ?? usual.nth,
    weekday: nth?.weekday ?? usual.weekday,
    date: date ?? usual.date,
    hours: Math.floor(window.duration_minutes / 60),
    minutes: window.duration_minutes % 60,
    timezone: window.timezone,
    cutoff: window.cutoff_minutes,
  };
}

/** What is asked of the server; fields that the kind does not use are null. */
export function bodyOf(draft: Draft): WindowCreate {
  const { kind } = draft;
  const monthly = kind === "monthly" ? draft.monthly : null;
  return {
    name: draft.name.trim(),
    enabled: draft.enabled,
    kind,
    start_time: kind === "once" ? null : clockTime(draft.time),
    weekdays: kind === "weekly" ? [...draft.weekdays].sort((a, b) => a - b) : null,
    day_of_month: monthly === "last" ? "last" : monthly === "day" ? draft.day : null,
    nth_weekday: monthly === "weekday" ? { n: draft.nth, weekday: draft.weekday } : null,
    starts_at: kind === "once" ? `${draft.date}T${clockTime(draft.time)}` : null,
    duration_minutes: draft.hours * 60 + draft.minutes,
    timezone: draft.timezone,
    cutoff_minutes: draft.cutoff,
  };
}

/** `2:00` and `0200` as `02:00`; anything else as it is. */
export function clockTime(text: string): string {
  const match = /^(\d{1,2}):?(\d{2})$/.exec(text.trim());
  return match === null ? text.trim() : `${match[1]?.padStart(2, "0")}:${match[2]}`;
}

/** What still keeps a draft from being asked about, in words; null when nothing does. The server knows the rest. */
export function missing(draft: Draft): string | null {
  if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(clockTime(draft.time)))
    return "Say at what time it opens, from 00:00 to 23:59.";
  if (draft.kind === "weekly" && draft.weekdays.length === 0) return "Choose at least one day of the week.";
  if (draft.kind === "once" && draft.date === "") return "Say on which day it opens.";
  if (draft.hours * 60 + draft.minutes < 1) return "Say how long it stays open.";
  return null;
}

/** What makes two windows the same but for their hosts. */
export function ruleKey(window: MaintenanceWindow): string {
  return JSON.stringify([
    window.kind,
    window.start_time,
    window.weekdays,
    window.day_of_month,
    window.nth_weekday,
    window.starts_at,
    window.duration_minutes,
    window.timezone,
    window.cutoff_minutes,
    window.name,
  ]);
}
