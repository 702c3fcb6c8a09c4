import { describe, expect, it } from "vitest";
import type { Freeze } from "@/api/types";
import { outlookOf } from "@/modules/deploy/outlook";
import {
  AT_ONCE,
  CAREFUL,
  isWhole,
  type RolloutDraft,
  rolloutBody,
  rolloutFrom,
  rolloutInto,
  stopWords,
} from "@/modules/deploy/rollout";
import { previewHost } from "@/test/entities";

const FULL: RolloutDraft = {
  rings: [
    { by: "count", value: 3, group: "" },
    { by: "percent", value: 20, group: "" },
    { by: "group", value: 0, group: "0a1b-2c" },
  ],
  soak: 60,
  stop: { by: "failures", value: 0 },
  away: 2,
};

describe("a rollout", () => {
  it("survives the address", () => {
    for (const draft of [AT_ONCE, CAREFUL, FULL])
      expect(rolloutFrom(rolloutInto(new URLSearchParams("what=all"), draft))).toEqual(draft);
    expect(rolloutInto(new URLSearchParams("rings=3&soak=5&stop=3"), AT_ONCE).toString()).toBe("");
    expect(rolloutFrom(new URLSearchParams("rings=x,5p&stop=gabc"))).toMatchObject({
      rings: [{ by: "percent", value: 5 }],
      stop: null,
    });
  });

  it("is asked of the server only where it is one", () => {
    expect(rolloutBody(AT_ONCE)).toBeNull();
    expect(rolloutBody({ ...AT_ONCE, soak: 30, away: 1 })).toMatchObject({
      rings: [],
      soak_minutes: 0,
      max_unavailable: 1,
    });
    expect(rolloutBody(FULL)).toMatchObject({
      rings: [{ count: 3 }, { percent: 20 }, { group_ids: ["0a1b-2c"] }],
      soak_minutes: 60,
      stop_after_failures: 0,
      stop_after_failed_percent: null,
    });
  });

  it("waits until each ring says what it takes", () => {
    expect(isWhole(FULL)).toBe(true);
    expect(isWhole({ ...FULL, rings: [{ by: "group", value: 0, group: "" }] })).toBe(false);
    expect(isWhole({ ...FULL, away: 0 })).toBe(false);
  });

  it("says when it stops", () => {
    expect(stopWords({ by: "failures", value: 0 })).toBe("at the first failure");
    expect(stopWords({ by: "percent", value: 10 })).toBe("when more than 10% of a ring fail");
  });
});

describe("the outlook of a plan", () => {
  it("counts who has no window, who is outside of one, and whom a freeze holds", () => {
    const freeze = (group_id: string | null, active: boolean) =>
      ({ id: `${group_id}`, group_id, active, reason: "r" }) as Freeze;
    const hosts = ["in", "out", "none"].map((id) => previewHost(id, { outside_windows: id !== "in" }));
    const facts = {
      without: new Set(["none"]),
      groupsOf: (id: string) => (id === "out" ? ["g"] : []),
    };
    const found = outlookOf(hosts, { ...facts, freezes: [freeze("g", true), freeze(null, false)] });
    const names = (list: readonly { host_id: string }[]) => list.map((host) => host.host_id);
    expect(names(found.windowless)).toEqual(["none"]);
    expect(names(found.outside)).toEqual(["out", "none"]);
    expect(names(found.frozen)).toEqual(["out"]);
    expect(found.freezes.map((each) => each.group_id)).toEqual(["g"]);
  });
});
