import { describe, expect, it } from "vitest";
import { FleetReplay } from "@/modules/fleet/replay";
import { host, totals } from "@/test/entities";

function delta(revision: number, hosts: ReturnType<typeof host>[], removed: string[] = []) {
  return { type: "delta" as const, revision, totals: totals({ hosts: revision }), hosts, removed };
}

function fleet(revision: number, ...hosts: ReturnType<typeof host>[]) {
  return { revision, totals: totals({ hosts: hosts.length }), hosts };
}

describe("the live fleet", () => {
  it("replays what the stream said while the snapshot was fetched, and nothing older", () => {
    const replay = new FleetReplay();
    replay.message({ type: "hello", revision: 5 });
    replay.message(delta(6, [host("a", { health: "degraded", revision: 6 })]));
    replay.message(delta(8, [host("a", { health: "unreachable", revision: 8 })]));
    replay.snapshot(fleet(7, host("a", { health: "healthy", revision: 7 })));
    expect(replay.rows.get("a")?.health).toBe("unreachable");
    expect(replay.revision).toBe(8);
    expect(replay.message(delta(8, [host("a")]))).toBeNull();
  });

  it("accepts a snapshot fetched before the stream's hello when it is at least as new", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(9, host("a")));
    replay.message({ type: "hello", revision: 9 });
    expect(replay.stale).toBe(false);
  });

  it("asks for another snapshot when the stream is ahead, and buffers meanwhile", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(4, host("a")));
    replay.message({ type: "hello", revision: 6 });
    expect(replay.stale).toBe(true);
    expect(replay.message(delta(7, [host("b", { revision: 7 })]))).toBeNull();
    replay.snapshot(fleet(6, host("a")));
    expect([...replay.rows.keys()]).toEqual(["a", "b"]);
  });

  it("trusts no revision after a break: a restarted server begins anew", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(500, host("a")));
    replay.disconnected();
    replay.message({ type: "hello", revision: 3 });
    expect(replay.stale).toBe(true);
    replay.snapshot(fleet(3, host("b")));
    expect([...replay.rows.keys()]).toEqual(["b"]);
    expect(replay.stale).toBe(false);
  });

  it("fetches again after a resync", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(1, host("a")));
    replay.message({ type: "resync" });
    expect(replay.stale).toBe(true);
  });

  it("says which rows changed and whether anything must be laid out anew", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(1, host("a"), host("b")));
    const quiet = replay.message(delta(2, [host("a", { health: "degraded", revision: 2 })]));
    expect(quiet).toEqual({ ids: new Set(["a"]), membership: false });
    expect(replay.message(delta(3, [host("a", { group_ids: ["g"], revision: 3 })]))?.membership).toBe(true);
    expect(replay.message(delta(4, [], ["b"]))).toEqual({ ids: new Set(["b"]), membership: true });
    expect(replay.rows.has("b")).toBe(false);
  });

  it("moves last seen and next poll in bulk, outside of revisions, for hosts in sight only", () => {
    const replay = new FleetReplay();
    replay.snapshot(fleet(1, host("a")));
    const seen = "2026-03-01T12:00:05Z";
    const change = replay.message({ type: "seen", items: { a: seen, ghost: seen }, next: { a: seen } });
    expect(change?.ids).toEqual(new Set(["a"]));
    expect(replay.rows.get("a")?.last_seen_at).toBe(seen);
    expect(replay.rows.get("a")?.next_poll_at).toBe(seen);
    expect(replay.revision).toBe(1);
  });
});
