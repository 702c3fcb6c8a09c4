import { describe, expect, it } from "vitest";
import type { Exclusion, Rollout } from "@/api/types";
import {
  exclusionPlace,
  NO_RINGS,
  placeWords,
  rolloutOf,
  ruleWords,
  simpleOf,
} from "@/modules/policies/words";

const RULE = { what: "security", reboot: "never", exclude: [], rollout: null } as const;
const GROUPS = [
  {
    id: "a",
    name: "web",
    description: "",
    max_unavailable: null,
    created_at: "",
    host_count: 2,
    user_count: 1,
  },
];

describe("policies in words", () => {
  it("says what, without what, and in how many rings", () => {
    expect(ruleWords({ ...RULE, exclude: [] })).toBe("security patches, without reboots");
    const rollout = rolloutOf({ ...NO_RINGS, first: "count", count: 3 }, null);
    const exclude = [{ package: "linux-*", reason: "" }];
    expect(ruleWords({ what: "all", reboot: "if_required", exclude, rollout })).toBe(
      "all patches, without 1 package, with reboots where required, in 2 rings",
    );
  });

  it("names groups and counts hosts", () => {
    expect(placeWords({ all_hosts: true, group_ids: [], host_ids: [] }, GROUPS)).toBe("All hosts");
    expect(placeWords({ all_hosts: false, group_ids: ["a"], host_ids: ["x", "y"] }, GROUPS)).toBe(
      "web and 2 hosts",
    );
    expect(placeWords({ all_hosts: false, group_ids: [], host_ids: [] }, GROUPS)).toBe("No hosts");
  });

  it("says where an exclusion holds", () => {
    const base = { host_id: null, host_name: null, group_id: null, group_name: null } as Exclusion;
    expect(exclusionPlace(base)).toBe("All hosts");
    expect(exclusionPlace({ ...base, host_id: "h", host_name: "db-1" })).toBe("db-1");
    expect(exclusionPlace({ ...base, group_id: "a", group_name: "web" })).toBe("Group web");
  });
});

describe("rings of the form", () => {
  it("go there and back", () => {
    for (const simple of [
      NO_RINGS,
      { ...NO_RINGS, first: "count" as const, count: 5, soak: 90, failures: null },
      { ...NO_RINGS, first: "group" as const, group: "a", failures: 2 },
    ]) {
      expect(simpleOf(rolloutOf(simple, null))).toEqual(simple);
    }
  });

  it("keep what the form cannot say", () => {
    const ring = { name: "", count: 1, percent: null, host_ids: [], group_ids: [] };
    const rich: Rollout = {
      rings: [ring, { ...ring, count: null, percent: 10 }],
      soak_minutes: 30,
      stop_after_failures: null,
      stop_after_failed_percent: 5,
      max_unavailable: 2,
    };
    const simple = simpleOf(rich);
    expect(simple.first).toBe("kept");
    expect(rolloutOf(simple, rich)).toBe(rich);
  });
});
