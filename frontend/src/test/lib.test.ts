import { describe, expect, it } from "vitest";
import { difference } from "@/lib/heldOrder";
import { ageDays, relative, span } from "@/lib/time";
import { count, listed, plural } from "@/lib/words";
import { reconnectDelay } from "@/modules/live/backoff";
import { ago, NOW } from "@/test/entities";

describe("words", () => {
  it("count with separators and the right number", () => {
    expect(count(2500)).toBe("2,500");
    expect(plural(1, "host")).toBe("1 host");
    expect(plural(2, "patch", "patches")).toBe("2 patches");
    expect(listed(["a", "b", "c"])).toBe("a, b and c");
  });
});

describe("times", () => {
  it("read relative to now, past and future", () => {
    expect(relative(ago(0, 3), NOW)).toBe("3 h ago");
    expect(relative(new Date(NOW + 125_000).toISOString(), NOW)).toBe("in 2 min");
    expect(relative(new Date(NOW).toISOString(), NOW)).toBe("just now");
    expect(span(3 * 3_600_000 + 600_000)).toBe("3 h 10 min");
    expect(ageDays(ago(7, 23), NOW)).toBe(7);
    expect(ageDays(new Date(NOW + 1000).toISOString(), NOW)).toBe(0);
  });
});

describe("a held list", () => {
  it("counts the places that would change", () => {
    const rows = (...ids: string[]) => ids.map((id) => ({ id }));
    expect(difference(["a", "b"], rows("a", "b"))).toBe(0);
    expect(difference(["a", "b"], rows("b", "a"))).toBe(2);
    expect(difference(["a"], rows("a", "b"))).toBe(1);
  });
});

describe("reconnecting", () => {
  it("waits longer each time, jittered, never above twenty seconds", () => {
    expect(reconnectDelay(0, () => 0)).toBe(250);
    expect(reconnectDelay(0, () => 1)).toBe(500);
    expect(reconnectDelay(3, () => 1)).toBe(4_000);
    expect(reconnectDelay(50, () => 1)).toBe(20_000);
  });
});
