import { beforeAll, describe, expect, it, vi } from "vitest";
import { jobFilterFrom, jobFilterInto, jobQuery } from "@/modules/jobs/filter";
import { progressWords, whatOf } from "@/modules/jobs/words";
import { inPages, withJobs } from "@/modules/live/cache";
import { ago, attempt, job, jobTotals, NOW } from "@/test/entities";

describe("failures by cause", () => {
  let byCause: typeof import("@/modules/jobs/failures").byCause;
  beforeAll(async () => {
    vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
    ({ byCause } = await import("@/modules/jobs/failures"));
  });

  it("gathers by the agent's error code, the most frequent first", () => {
    const coded = (id: string, code: string) =>
      job(id, { state: "failed", attempts: [attempt({ error_code: code, error: code })] });
    const causes = byCause([
      coded("1", "GPG_ERROR"),
      coded("2", "NETWORK_ERROR"),
      coded("3", "NETWORK_ERROR"),
    ]);
    expect(causes.map((cause) => [cause.key, cause.jobs.length])).toEqual([
      ["NETWORK_ERROR", 2],
      ["GPG_ERROR", 1],
    ]);
  });

  it("takes messages that differ in numbers only for one cause", () => {
    const failed = (id: string, message: string) => job(id, { state: "failed", message });
    expect(byCause([failed("1", "timed out after 30 s"), failed("2", "timed out after 31 s")])).toHaveLength(
      1,
    );
  });
});

describe("live jobs", () => {
  it("change what is known of them and leave lists without them untouched", () => {
    const list = [job("1"), job("2")];
    const item = {
      id: "2",
      deployment_id: "d",
      host_id: "h",
      state: "failed" as const,
      progress: 40,
      message: "no",
    };
    const next = withJobs(list, new Map([["2", item]]));
    expect(next[0]).toBe(list[0]);
    expect(next[1]?.state).toBe("failed");
    expect(withJobs(list, new Map([["9", { ...item, id: "9" }]]))).toBe(list);
    const pages = { pages: [{ items: list, next_cursor: null, total: 2 }], pageParams: [""] };
    expect(inPages(pages, new Map([["2", item]])).pages[0]?.items[1]?.state).toBe("failed");
    expect(inPages(pages, new Map([["9", { ...item, id: "9" }]]))).toBe(pages);
  });
});

describe("which jobs", () => {
  it("is kept in the address and asked of the server", () => {
    const filter = jobFilterFrom(new URLSearchParams("q=web&state=failed,nonsense&operation=reboot&days=7"));
    expect(filter).toEqual({ q: "web", state: ["failed"], operation: "reboot", days: "7" });
    expect(jobFilterFrom(jobFilterInto(new URLSearchParams(), filter))).toEqual(filter);
    expect(Object.fromEntries(jobQuery(filter, NOW + 30_000))).toEqual({
      search: "web",
      state: "failed",
      operation: "reboot",
      since: ago(7),
    });
  });
});

describe("deployments in words", () => {
  it("name what is installed", () => {
    expect(whatOf({ packages: null, security_only: true })).toBe("security patches");
    expect(whatOf({ packages: null, security_only: false })).toBe("everything pending");
    expect(whatOf({ packages: ["curl", "openssl"], security_only: false })).toBe("curl and openssl");
    expect(whatOf({ packages: ["a", "b", "c"], security_only: false })).toBe("3 packages");
  });

  it("say how far they are", () => {
    expect(progressWords(jobTotals({ total: 41, succeeded: 38, failed: 2, verifying: 1 }))).toBe(
      "38 of 41 hosts succeeded, 2 failed, 1 at work",
    );
  });
});
