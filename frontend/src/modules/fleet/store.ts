/** The live fleet for components: one row, the totals, or "something changed", each its own subscription. */
import { createContext, use, useCallback, useEffect, useState, useSyncExternalStore } from "react";
import type { Fleet, FleetTotals, HostRow } from "@/api/types";
import { Emitter, type Listener } from "@/lib/store";
import { type Change, type FleetMessage, FleetReplay } from "@/modules/fleet/replay";

type ChangeListener = (change: Change) => void;

export class FleetStore {
  #replay = new FleetReplay();
  readonly #rowListeners = new Map<string, Set<Listener>>();
  readonly #changeListeners = new Set<ChangeListener>();
  readonly #any = new Emitter();
  /** Grows with every change; derived lists are memoised on it. */
  version = 0;
  loaded = false;

  readonly subscribe = this.#any.subscribe;

  get rows(): ReadonlyMap<string, HostRow> {
    return this.#replay.rows;
  }

  get totals(): FleetTotals | null {
    return this.#replay.totals;
  }

  get stale(): boolean {
    return this.#replay.stale;
  }

  get revision(): number {
    return this.#replay.revision;
  }

  row(id: string): HostRow | undefined {
    return this.#replay.rows.get(id);
  }

  /** Forget everything: somebody signed out. */
  reset(): void {
    this.#replay = new FleetReplay();
    this.loaded = false;
    this.#publish({ ids: null, membership: true });
  }

  disconnected(): void {
    this.#replay.disconnected();
  }

  snapshot(fleet: Fleet): void {
    this.loaded = true;
    this.#publish(this.#replay.snapshot(fleet));
  }

  message(message: FleetMessage): void {
    const change = this.#replay.message(message);
    if (change !== null) this.#publish(change);
  }

  subscribeRow(id: string, listener: Listener): () => void {
    const listeners = this.#rowListeners.get(id) ?? new Set();
    this.#rowListeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#rowListeners.delete(id);
    };
  }

  /** For the canvas: which ids changed, without React in between. */
  subscribeChanges(listener: ChangeListener): () => void {
    this.#changeListeners.add(listener);
    return () => {
      this.#changeListeners.delete(listener);
    };
  }

  #publish(change: Change): void {
    this.version += 1;
    const watched = change.ids ?? this.#rowListeners.keys();
    for (const id of watched) for (const listener of this.#rowListeners.get(id) ?? []) listener();
    for (const listener of this.#changeListeners) listener(change);
    this.#any.emit();
  }
}

export const FleetContext = createContext<FleetStore | null>(null);

export function useFleet(): FleetStore {
  const fleet = use(FleetContext);
  if (fleet === null) throw new Error("useFleet outside of FleetContext");
  return fleet;
}

/** One host's row, live; undefined when it is not (or no longer) in sight. */
export function useHost(id: string): HostRow | undefined {
  const fleet = useFleet();
  const subscribe = useCallback((listener: Listener) => fleet.subscribeRow(id, listener), [fleet, id]);
  return useSyncExternalStore(subscribe, () => fleet.row(id));
}

/** The running totals, live; null until the first snapshot. */
export function useTotals(): FleetTotals | null {
  const fleet = useFleet();
  return useSyncExternalStore(fleet.subscribe, () => fleet.totals);
}

/** Whether the first snapshot is there. */
export function useFleetLoaded(): boolean {
  const fleet = useFleet();
  return useSyncExternalStore(fleet.subscribe, () => fleet.loaded);
}

/** The store's version, at most every `interval` ms: for lists and counts that are costly to derive ten times a second. */
export function useFleetVersion(interval = 250): number {
  const fleet = useFleet();
  const [version, setVersion] = useState(fleet.version);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last = 0;
    let loaded = fleet.loaded;
    const changed = () => {
      if (fleet.loaded !== loaded) {
        // The first snapshot: what was derived from nothing is not left standing for a moment longer.
        loaded = fleet.loaded;
        clearTimeout(timer);
        timer = undefined;
        last = 0;
      }
      if (timer !== undefined) return;
      const wait = Math.max(0, last + interval - Date.now());
      timer = setTimeout(() => {
        timer = undefined;
        last = Date.now();
        setVersion(fleet.version);
      }, wait);
    };
    changed(); // for what came between render and effect; setting the same version again draws nothing
    const stop = fleet.subscribe(changed);
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [fleet, interval]);
  return version;
}
