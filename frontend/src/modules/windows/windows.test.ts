import { describe, expect, it } from "vitest";
import type { Freeze, MaintenanceWindow, Opening } from "@/api/types";
import { addDays, addMonths, dayFrom, dayKey, startOfDay, wallOf, weekdayOf } from "@/lib/zones";
import { cellsOf, columnsOf, conflictsOf, inLanes, weekOf, weeksOfMonth } from "@/modules/windows/calendar";
import { remark } from "@/modules/windows/remarks";
import {
  bodyOf,
  clockTime,
  draftOf,
  minutesWords,
  missing,
  ruleWords,
  usualDraft,
} from "@/modules/windows/rule";
import { frozenWords, openingFrom, openingKey, spanWords } from "@/modules/windows/words";

const BERLIN = "Europe/Berlin";
const USUAL = usualDraft("2026-03-01");

function rule(changes: Partial<MaintenanceWindow>): MaintenanceWindow {
  return {
    id: "w",
    host_id: "h",
    host_name: "web-001",
    name: "",
    enabled: true,
    kind: "daily",
    start_time: "22:00",
    weekdays: [],
    day_of_month: null,
    nth_weekday: null,
    starts_at: null,
    duration_minutes: 120,
    timezone: BERLIN,
    cutoff_minutes: 0,
    cron: null,
    open: false,
    next_opens_at: null,
    next_closes_at: null,
    created_by: "maria",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    version: 1,
    ...changes,
  };
}

function opening(opens_at: string, closes_at: string, changes: Partial<Opening> = {}): Opening {
  return {
    opens_at,
    closes_at,
    open: false,
    hosts: 1,
    host_names: ["web-001"],
    names: [],
    timezones: [BERLIN],
    frozen_hosts: 0,
    frozen: null,
    waiting: 0,
    deployment_ids: [],
    ...changes,
  };
}

describe("days of a zone", () => {
  it("begin at its midnight, also on days that are shorter, longer or begin later", () => {
    const start = (day: string, zone: string) => {
      const found = dayFrom(day);
      return found === null ? "" : new Date(startOfDay(found, zone)).toISOString();
    };
    expect(start("2026-03-29", BERLIN)).toBe("2026-03-28T23:00:00.000Z");
    expect(start("2026-03-30", BERLIN)).toBe("2026-03-29T22:00:00.000Z");
    expect(start("2026-10-25", BERLIN)).toBe("2026-10-24T22:00:00.000Z");
    expect(start("2026-10-26", BERLIN)).toBe("2026-10-25T23:00:00.000Z");
    // Clocks jump over midnight there.
    expect(start("2024-09-08", "America/Santiago")).toBe("2024-09-08T04:00:00.000Z");
    expect(start("2026-06-01", "Pacific/Kiritimati")).toBe("2026-05-31T10:00:00.000Z");
    expect(start("2026-06-01", "Asia/Kathmandu")).toBe("2026-05-31T18:15:00.000Z");
  });

  it("are counted and named", () => {
    const day = { year: 2026, month: 2, day: 28 };
    expect(dayKey(addDays(day, 1))).toBe("2026-03-01");
    expect(dayKey(addMonths(day, -2))).toBe("2025-12-01");
    expect(weekdayOf(day)).toBe(5);
    expect(dayFrom("2026-02-30")).toBeNull();
    expect(wallOf(Date.parse("2026-03-29T01:00:00Z"), BERLIN)).toMatchObject({ hour: 3, minute: 0 });
  });
});

describe("a rule in words", () => {
  it("says days and time as people do", () => {
    expect(ruleWords(rule({}))).toBe("Every day at 22:00");
    expect(ruleWords(rule({ kind: "weekly", weekdays: [6] }))).toBe("Every Sunday at 22:00");
    expect(ruleWords(rule({ kind: "weekly", weekdays: [3, 1] }))).toBe("Every Tuesday and Thursday at 22:00");
    expect(ruleWords(rule({ kind: "weekly", weekdays: [0, 1, 2, 3, 4] }))).toBe("Monday to Friday at 22:00");
    expect(ruleWords(rule({ kind: "monthly", day_of_month: "last" }))).toBe(
      "On the last day of the month at 22:00",
    );
    expect(ruleWords(rule({ kind: "monthly", day_of_month: 22 }))).toBe("On the 22nd of the month at 22:00");
    expect(ruleWords(rule({ kind: "monthly", nth_weekday: { n: "last", weekday: 4 } }))).toBe(
      "On the last Friday of the month at 22:00",
    );
    const once = rule({ kind: "once", start_time: null, starts_at: "2026-03-28T23:30:00Z" });
    expect(ruleWords(once)).toBe("Once on 2026-03-29 at 00:30");
    expect(minutesWords(1530)).toBe("1 d 1 h 30 min");
  });

  it("comes back from the form as it was given", () => {
    for (const window of [
      rule({ kind: "weekly", weekdays: [0, 6], duration_minutes: 90, cutoff_minutes: 15, name: "x" }),
      rule({ kind: "monthly", day_of_month: 31 }),
      rule({ kind: "monthly", nth_weekday: { n: 2, weekday: 1 } }),
    ]) {
      const body = bodyOf(draftOf(window, USUAL));
      expect(body.weekdays ?? []).toEqual(window.weekdays);
      for (const field of ["kind", "start_time", "day_of_month", "nth_weekday", "duration_minutes"] as const)
        expect(body[field]).toEqual(window[field]);
    }
    const once = draftOf(rule({ kind: "once", start_time: null, starts_at: "2026-03-28T23:30:00Z" }), USUAL);
    expect(bodyOf(once).starts_at).toBe("2026-03-29T00:30");
  });

  it("is not asked about before it is whole", () => {
    expect(missing(USUAL)).toBeNull();
    expect(missing({ ...USUAL, weekdays: [] })).toMatch(/day of the week/);
    expect(missing({ ...USUAL, time: "24:00" })).toMatch(/time/);
    expect(missing({ ...USUAL, hours: 0, minutes: 0 })).toMatch(/how long/);
    expect([clockTime("2:00"), clockTime("0230"), clockTime("x")]).toEqual(["02:00", "02:30", "x"]);
  });
});

describe("what clocks do to an opening", () => {
  const at = (opens_at: string, minutes: number) => ({
    opens_at,
    closes_at: new Date(Date.parse(opens_at) + minutes * 60_000).toISOString(),
  });

  it("is told where they jump, repeat, or change while it is open", () => {
    expect(remark(at("2026-03-29T01:00:00Z", 60), "02:30", BERLIN)).toMatch(
      /jump over 02:30.*opens at 03:00/,
    );
    expect(remark(at("2026-10-25T00:30:00Z", 30), "02:30", BERLIN)).toMatch(/twice.*first/);
    expect(remark(at("2026-03-28T21:00:00Z", 360), "22:00", BERLIN)).toMatch(/closes at 05:00/);
  });

  it("is nothing on other nights", () => {
    expect(remark(at("2026-03-27T21:00:00Z", 360), "22:00", BERLIN)).toBeNull();
    expect(remark(at("2026-10-26T01:30:00Z", 30), "02:30", BERLIN)).toBeNull();
  });
});

describe("the calendar", () => {
  const week = weekOf({ year: 2026, month: 3, day: 4 });

  it("has whole weeks from Monday", () => {
    expect(week.map((day) => day.day)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(weeksOfMonth({ year: 2026, month: 2, day: 9 })).toHaveLength(35);
    expect(weeksOfMonth({ year: 2027, month: 2, day: 1 })).toHaveLength(28);
  });

  it("cuts an opening over midnight into two days, on the clock of the viewer's zone", () => {
    const night = opening("2026-03-04T21:00:00Z", "2026-03-05T02:00:00Z");
    const pieces = (zone: string) =>
      columnsOf(week, [night], [], zone).flatMap(({ day, blocks }) =>
        blocks.map((block) => [day.day, block.from, block.to, block.before, block.after]),
      );
    expect(pieces(BERLIN)).toEqual([
      [4, 1320, 1440, false, true],
      [5, 0, 180, true, false],
    ]);
    expect(pieces("Asia/Tokyo")).toEqual([[5, 360, 660, false, false]]);
  });

  it("ends with the day where an opening closes at midnight", () => {
    const evening = opening("2026-03-04T21:00:00Z", "2026-03-04T23:00:00Z");
    const days = columnsOf(week, [evening], [], BERLIN).filter(({ blocks }) => blocks.length > 0);
    expect(days.map(({ day }) => day.day)).toEqual([4]);
  });

  it("sets what overlaps side by side and gathers what finds no room", () => {
    const stretch = (key: string, from: number, to: number, hosts = 1) => ({
      key,
      from,
      to,
      hosts,
      openings: [opening("2026-03-04T01:00:00Z", "2026-03-04T02:00:00Z", { hosts })],
      before: false,
      after: false,
    });
    const two = inLanes([stretch("a", 60, 180), stretch("b", 120, 240), stretch("c", 300, 400)]);
    expect(two.map((block) => [block.key, block.lane, block.lanes])).toEqual([
      ["a", 0, 2],
      ["b", 1, 2],
      ["c", 0, 1],
    ]);
    const many = inLanes(["a", "b", "c", "d", "e", "f"].map((key, i) => stretch(key, 60, 180, i + 1)));
    expect(many).toHaveLength(4);
    expect(many.at(-1)).toMatchObject({ lane: 3, hosts: 1 + 2 + 3 });
    expect(many.at(-1)?.openings).toHaveLength(3);
  });

  it("counts on each day what opens there, and marks the days of a freeze", () => {
    const freeze: Freeze = {
      id: "f",
      group_id: null,
      group_name: null,
      starts_at: "2026-03-04T12:00:00Z",
      ends_at: "2026-03-05T23:00:00Z",
      reason: "quarter end",
      active: false,
      created_by: "maria",
      created_at: "2026-03-01T00:00:00Z",
    };
    const openings = [
      opening("2026-03-04T23:30:00Z", "2026-03-05T02:00:00Z", {
        hosts: 3,
        frozen_hosts: 3,
        frozen: "quarter end",
      }),
      opening("2026-03-05T01:00:00Z", "2026-03-05T02:00:00Z", {
        hosts: 9,
        frozen_hosts: 4,
        waiting: 2,
        deployment_ids: ["d"],
      }),
    ];
    const cells = cellsOf({ year: 2026, month: 3, day: 1 }, openings, [freeze], BERLIN);
    const fifth = cells.find((cell) => cell.inMonth && cell.day.day === 5);
    expect(fifth?.openings.map((each) => each.hosts)).toEqual([9, 3]);
    expect(fifth?.hosts).toBe(12);
    expect(cells.filter((cell) => cell.freezes.length > 0).map((cell) => cell.day.day)).toEqual([4, 5]);
    expect(conflictsOf(openings)).toEqual({ frozen: 1, partly: 1, waiting: 2, deployments: 1 });
    expect(openings.map(frozenWords)).toEqual(["frozen: quarter end", "4 of 9 frozen"]);
  });

  it("names an opening in links by its moments", () => {
    const one = opening("2026-03-04T21:00:00.000Z", "2026-03-05T02:00:00.000Z");
    expect(openingFrom(openingKey(one))).toEqual({ opens_at: one.opens_at, closes_at: one.closes_at });
    expect(openingFrom("nonsense")).toBeNull();
    expect(spanWords(one.opens_at, one.closes_at, BERLIN)).toBe("22:00–03:00");
  });
});
