/**
 * Lists that change by themselves, without moving what somebody points at: while held, rows keep their places (their
 * contents go on changing) and the list only says how many would move, come or go.
 */
import { useCallback, useMemo, useRef, useState } from "react";

interface Identified {
  id: string;
}

export interface HeldOrder<Row> {
  rows: Row[];
  /** Places that would change if the list were brought up to date. */
  pending: number;
  hold: (held: boolean) => void;
  update: () => void;
}

/** How many places of two lists differ, by membership and order. */
export function difference(shown: readonly string[], fresh: readonly Identified[]): number {
  let differing = Math.abs(shown.length - fresh.length);
  for (let i = 0; i < Math.min(shown.length, fresh.length); i++)
    if (shown[i] !== fresh[i]?.id) differing += 1;
  return differing;
}

/** `key` names what the person asked for (filter, sort): when it changes the list obeys at once, held or not. */
export function useHeldOrder<Row extends Identified>(fresh: Row[], key: string): HeldOrder<Row> {
  const [held, hold] = useState(false);
  const [generation, setGeneration] = useState(0);
  const shown = useRef<{ key: string; ids: string[] }>({ key: "", ids: [] });
  const wanted = `${generation}\n${key}`;
  const moved = difference(shown.current.ids, fresh);
  // Under the pointer of an empty list there is nothing to move.
  const free = !held || shown.current.ids.length === 0;
  if (shown.current.key !== wanted || (free && moved > 0)) {
    shown.current = { key: wanted, ids: fresh.map((row) => row.id) };
  }
  const { ids } = shown.current;
  const rows = useMemo(() => {
    const byId = new Map(fresh.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id)).filter((row) => row !== undefined);
  }, [fresh, ids]);
  const update = useCallback(() => setGeneration((value) => value + 1), []);
  return { rows, pending: difference(ids, fresh), hold, update };
}
