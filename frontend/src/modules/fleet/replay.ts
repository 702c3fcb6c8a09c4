/**
 * The pure part of the live fleet: connect, buffer, fetch the snapshot, replay what is newer, drop what is older.
 * Rows are kept in one map that is changed in place (2,500 rows, ten deltas a second); every change names its ids.
 */
import type { Fleet, FleetTotals, HostRow, LiveMessage } from "@/api/types";

export type FleetMessage = Extract<LiveMessage, { type: "delta" | "seen" | "hello" | "resync" }>;

export interface Change {
  /** Ids whose row is new, different or gone; null: all of them. */
  ids: ReadonlySet<string> | null;
  /** Hosts came, went or belong elsewhere, so that lists and the map must be laid out again. */
  membership: boolean;
}

export class FleetReplay {
  readonly rows = new Map<string, HostRow>();
  totals: FleetTotals | null = null;
  revision = -1;
  /** Set while the snapshot at hand is older than the stream: the owner must fetch the fleet again. */
  stale = true;
  #buffer: FleetMessage[] = [];
  #streamRevision = -1;

  /** The stream broke: what comes next may have gaps until a snapshot at least as new as the next hello. */
  disconnected(): void {
    this.stale = true;
    this.revision = -1;
    this.#buffer = [];
    this.#streamRevision = -1;
  }

  /** Take a fetched fleet and replay what the stream said meanwhile. */
  snapshot(fleet: Fleet): Change {
    const known = new Set(this.rows.keys());
    this.rows.clear();
    for (const row of fleet.hosts) this.rows.set(row.id, row);
    this.totals = fleet.totals;
    this.revision = fleet.revision;
    this.stale = fleet.revision < this.#streamRevision;
    const buffered = this.#buffer;
    this.#buffer = [];
    for (const message of buffered) this.message(message);
    const membership = known.size !== this.rows.size || fleet.hosts.some((row) => !known.has(row.id));
    return { ids: null, membership };
  }

  /** Take one message of the stream; null: nothing to show changed. */
  message(message: FleetMessage): Change | null {
    if (message.type === "hello") {
      this.#streamRevision = message.revision;
      this.stale = this.revision < message.revision;
      return null;
    }
    if (message.type === "resync") {
      this.stale = true;
      return null;
    }
    if (this.stale) {
      this.#buffer.push(message);
      return null;
    }
    return message.type === "seen" ? this.#seen(message.items, message.next ?? {}) : this.#delta(message);
  }

  #delta(message: Extract<FleetMessage, { type: "delta" }>): Change | null {
    if (message.revision <= this.revision) return null;
    this.revision = message.revision;
    this.totals = message.totals;
    const ids = new Set<string>();
    let membership = false;
    for (const row of message.hosts) {
      const known = this.rows.get(row.id);
      if (known !== undefined && known.revision > row.revision) continue;
      membership ||= known === undefined || !samePlace(known, row);
      this.rows.set(row.id, row);
      ids.add(row.id);
    }
    for (const id of message.removed) {
      if (this.rows.delete(id)) {
        membership = true;
        ids.add(id);
      }
    }
    return { ids, membership };
  }

  #seen(items: Record<string, string>, next: Record<string, string>): Change | null {
    const ids = new Set([...Object.keys(items), ...Object.keys(next)]);
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row === undefined) ids.delete(id);
      else {
        this.rows.set(id, {
          ...row,
          last_seen_at: items[id] ?? row.last_seen_at,
          next_poll_at: next[id] ?? row.next_poll_at,
        });
      }
    }
    return ids.size === 0 ? null : { ids, membership: false };
  }
}

/** Whether the map would draw the host in the same section: groups and OS decide. */
function samePlace(a: HostRow, b: HostRow): boolean {
  return (
    a.display_name === b.display_name &&
    a.os_name === b.os_name &&
    a.os_version === b.os_version &&
    a.group_ids.length === b.group_ids.length &&
    a.group_ids.every((id, index) => id === b.group_ids[index])
  );
}
