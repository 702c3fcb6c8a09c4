import { describe, expect, it } from "vitest";
import { isOverdue, statements } from "@/modules/fleet/words";
import { ago, host, NOW, totals } from "@/test/entities";

describe("the dashboard's first line", () => {
  it("says nothing when nothing wants attention", () => {
    expect(statements(totals({ hosts: 10, by_health: { healthy: 10 } }), 0)).toEqual([]);
  });

  it("says the worst first, each with the list it leads to", () => {
    const said = statements(
      totals({ by_health: { unreachable: 3, degraded: 1 }, overdue_critical: 41, reboot_required: 1 }),
      2,
    );
    expect(said.map((each) => each.text)).toEqual([
      "3 hosts unreachable",
      "2 jobs failed in 24 hours",
      "41 hosts have security patches older than 7 days",
      "1 host degraded",
      "1 needs a reboot",
    ]);
    expect(said[0]?.to).toBe("/hosts?health=unreachable");
  });

  it("counts large numbers with separators", () => {
    expect(statements(totals({ never_polled: 2500 }), 0)[0]?.text).toBe("2,500 hosts never polled");
  });
});

describe("overdue", () => {
  it("begins at seven whole days", () => {
    expect(isOverdue(host("a", { oldest_security_at: ago(6, 23) }), NOW)).toBe(false);
    expect(isOverdue(host("a", { oldest_security_at: ago(7, 1) }), NOW)).toBe(true);
    expect(isOverdue(host("a"), NOW)).toBe(false);
  });
});
