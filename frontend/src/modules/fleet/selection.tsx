/**
 * Hosts picked on the map or in the list: shared by the pages, and written into links as the shortest prefixes of ids
 * that are unique in the fleet. Links carry them in the fragment, which no server limit cuts off.
 */
import { createContext, use, useSyncExternalStore } from "react";
import { Value } from "@/lib/store";

export type Ids = ReadonlySet<string>;
const NONE: Ids = new Set();
const SHORTEST = 6;

export class Selection extends Value<Ids> {
  constructor() {
    super(NONE);
  }

  toggle(id: string): void {
    const next = new Set(this.get());
    if (!next.delete(id)) next.add(id);
    this.set(next);
  }

  add(ids: Iterable<string>): void {
    this.set(new Set([...this.get(), ...ids]));
  }

  clear(): void {
    this.set(NONE);
  }
}

/** `#hosts=1a2b3c.4d5e6f`: the chosen ids, each cut to the length at which all ids of the fleet differ. */
export function toFragment(chosen: Iterable<string>, all: Iterable<string>): string {
  const everybody = [...all].sort();
  let length = SHORTEST;
  for (let i = 1; i < everybody.length; i++) {
    const [a, b] = [everybody[i - 1] ?? "", everybody[i] ?? ""];
    while (length < a.length && a.slice(0, length) === b.slice(0, length)) length++;
  }
  const parts = [...chosen].map((id) => id.slice(0, length));
  return parts.length === 0 ? "" : `#hosts=${parts.join(".")}`;
}

/** The ids a fragment names; prefixes that no host (any more) has, or several, are left out. */
export function fromFragment(fragment: string, all: Iterable<string>): string[] {
  const match = /^#hosts=([0-9a-f.-]+)$/.exec(fragment);
  if (match === null) return [];
  const ids = [...all].sort();
  const found: string[] = [];
  for (const prefix of match[1]?.split(".") ?? []) {
    if (prefix.length < SHORTEST) continue;
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ids[middle] ?? "") < prefix) low = middle + 1;
      else high = middle;
    }
    const id = ids[low];
    if (id?.startsWith(prefix) && !ids[low + 1]?.startsWith(prefix)) found.push(id);
  }
  return found;
}

export const SelectionContext = createContext<Selection | null>(null);

export function useSelection(): Selection {
  const selection = use(SelectionContext);
  if (selection === null) throw new Error("useSelection outside of SelectionContext");
  return selection;
}

export function useSelectedIds(): Ids {
  const selection = useSelection();
  return useSyncExternalStore(selection.subscribe, selection.get);
}
