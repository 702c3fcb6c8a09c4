import { describe, expect, it } from "vitest";
import { DAY } from "@/lib/time";
import { segments, stripWords } from "@/modules/hosts/health";
import { ago, NOW } from "@/test/entities";

describe("the health strip", () => {
  const changes = [
    { at: ago(1), health: "healthy" as const, reason: "" },
    { at: ago(1, 2), health: "unreachable" as const, reason: "connection refused" },
    { at: ago(40), health: "healthy" as const, reason: "" },
  ];

  it("covers thirty days without gaps, whatever the order of the changes", () => {
    const strip = segments(changes, NOW);
    expect(strip.map((each) => each.health)).toEqual(["healthy", "unreachable", "healthy"]);
    expect(strip[0]?.from).toBe(NOW - 30 * DAY);
    expect(strip.at(-1)?.to).toBe(NOW);
    strip.slice(1).forEach((each, index) => {
      expect(each.from).toBe(strip[index]?.to);
    });
  });

  it("leaves the time before a host was managed unknown, and out of the share", () => {
    const strip = segments([{ at: ago(3), health: "healthy", reason: "" }], NOW);
    expect(strip.map((each) => each.health)).toEqual(["unknown", "healthy"]);
    expect(stripWords(strip)).toBe("100% healthy in 3 d, never unreachable");
  });

  it("says how often and how long a host was away", () => {
    expect(stripWords(segments(changes, NOW))).toBe(
      "99.7% healthy in 30 d, unreachable 1 time, at most 2 h at a time",
    );
    expect(stripWords(segments([], NOW))).toBe("No health was read yet");
  });
});
