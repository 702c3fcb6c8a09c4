import { describe, expect, it } from "vitest";
import {
  choose,
  facets,
  filterFrom,
  filterInto,
  isFiltered,
  matcher,
  NO_FILTER,
  osOf,
} from "@/modules/fleet/filters";
import { host } from "@/test/entities";

const HOSTS = [
  host("web-10", { health: "unreachable", group_ids: ["g"], health_reason: "connection refused" }),
  host("web-9", { reboot_required: true, group_ids: ["g"] }),
  host("db-1", {
    os_name: "Rocky Linux",
    os_version: "9.5",
    pending_patches: 2,
    pending_security: 2,
    pending_by_severity: { critical: 2, high: 0, medium: 0, low: 0, unknown: 0 },
  }),
  host("new", { health: "unknown", patches_read_at: null, os_name: null, os_version: null }),
];

describe("filters in the address", () => {
  it("survive the way there and back", () => {
    const filter = {
      ...NO_FILTER,
      q: "web 1",
      health: ["unreachable" as const],
      is: ["reboot" as const],
      os: "Debian 12",
      group: "none",
    };
    expect(filterFrom(filterInto(new URLSearchParams("sort=name"), filter))).toEqual(filter);
  });

  it("leave other parameters alone, and no trace when empty", () => {
    expect(filterInto(new URLSearchParams("sort=name&q=x"), NO_FILTER).toString()).toBe("sort=name");
    expect(isFiltered(NO_FILTER)).toBe(false);
  });

  it("drop words that nobody knows", () => {
    expect(filterFrom(new URLSearchParams("health=sick,unreachable&is=what")).health).toEqual([
      "unreachable",
    ]);
    expect(filterFrom(new URLSearchParams("is=what")).is).toEqual([]);
  });
});

describe("matching", () => {
  const named = (filter: Partial<typeof NO_FILTER>) =>
    HOSTS.filter(matcher({ ...NO_FILTER, ...filter })).map((row) => row.display_name);

  it("wants every word of a search somewhere in names, facts or reason", () => {
    expect(named({ q: "WEB refused" })).toEqual(["web-10"]);
    expect(named({ q: "rocky" })).toEqual(["db-1"]);
  });

  it("takes alternatives within a filter and demands all filters", () => {
    expect(named({ health: ["unreachable", "unknown"] })).toEqual(["web-10", "new"]);
    expect(named({ group: "g", is: ["reboot"] })).toEqual(["web-9"]);
    expect(named({ group: "none" })).toEqual(["db-1", "new"]);
  });

  it("never calls a host compliant whose patches were not read", () => {
    expect(named({ is: ["compliant"] })).toEqual(["web-10", "web-9"]);
  });
});

describe("order and counts", () => {
  it("sorts names as people count", () => {
    expect(choose(HOSTS, NO_FILTER, "name").map((row) => row.display_name)).toEqual([
      "db-1",
      "new",
      "web-9",
      "web-10",
    ]);
  });

  it("puts the worst first by health, then by patches", () => {
    expect(choose(HOSTS, NO_FILTER).map((row) => row.display_name)).toEqual([
      "web-10",
      "new",
      "db-1",
      "web-9",
    ]);
  });

  it("counts each chip as if only the other filters held", () => {
    const counts = facets(HOSTS, { ...NO_FILTER, health: ["unreachable"] });
    expect(counts.health).toEqual({ healthy: 2, degraded: 0, unreachable: 1, unknown: 1 });
    expect(counts.is.reboot).toBe(0);
    expect(counts.group.get("g")).toBe(1);
  });

  it("shortens what says nothing in a system's name", () => {
    expect(osOf(host("a"))).toBe("Debian 12");
  });
});
