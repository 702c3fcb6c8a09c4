import { describe, expect, it } from "vitest";
import { type Colouring, LEGENDS, lookOf } from "@/modules/map/looks";
import { ago, host, NOW } from "@/test/entities";

const JOB = { id: "j", deployment_id: "d", state: "running", progress: 40 };

describe("what a cell says", () => {
  it("shows a job in hand unless the host is in trouble", () => {
    expect(lookOf(host("a", { job: JOB }), "health").key).toBe("working");
    expect(lookOf(host("a", { job: JOB, health: "unreachable" }), "health").key).toBe("unreachable");
    expect(lookOf(host("a", { actor_state: "quarantined", job: JOB }), "health").key).toBe("quarantined");
  });

  it("tells ages apart and never takes an unread host for an up-to-date one", () => {
    const age = (days: number) => lookOf(host("a", { oldest_security_at: ago(days, 1) }), "age", NOW).key;
    expect(lookOf(host("a"), "age").key).toBe("age-none");
    expect(lookOf(host("a", { patches_read_at: null }), "age").key).toBe("unread");
    expect([0, 6, 7, 29, 30, 89, 90].map(age)).toEqual([
      "age-7",
      "age-7",
      "age-30",
      "age-30",
      "age-90",
      "age-90",
      "age-more",
    ]);
  });

  it("gives every look of a colouring a shape and word of its own, so that colour is never alone", () => {
    for (const colouring of Object.keys(LEGENDS) as Colouring[]) {
      const words = LEGENDS[colouring].map((look) => look.word);
      expect(new Set(words).size).toBe(words.length);
    }
  });
});
