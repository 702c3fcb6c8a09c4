/**
 * The host list in order. It is computed anew as the fleet changes, except while somebody points at it: then rows stay
 * where they are (their cells go on changing) and the list only says how many would move, come or go.
 */
import { useCallback, useMemo, useRef, useState } from "react";
import { choose, type HostFilter } from "@/modules/fleet/filters";
import { useFleet, useFleetVersion } from "@/modules/fleet/store";
import type { HostRef } from "@/modules/hosts/columns";

export interface HostList {
  rows: HostRef[];
  /** Rows that are new, gone or elsewhere since the order was held. */
  pending: number;
  hold: (held: boolean) => void;
  update: () => void;
}

/** How many places of two lists differ, by membership and order. */
export function difference(shown: readonly HostRef[], fresh: readonly HostRef[]): number {
  let differing = Math.abs(shown.length - fresh.length);
  for (let i = 0; i < Math.min(shown.length, fresh.length); i++)
    if (shown[i]?.id !== fresh[i]?.id) differing += 1;
  return differing;
}

export function useHostList(
  filter: HostFilter,
  sort: string,
  descending: boolean,
  only: ReadonlySet<string> | null,
): HostList {
  const fleet = useFleet();
  const version = useFleetVersion(500);
  const [held, hold] = useState(false);
  const shown = useRef<{ key: string; rows: HostRef[] }>({ key: "", rows: [] });
  const [generation, setGeneration] = useState(0);

  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const fresh = useMemo(() => {
    const rows = choose(fleet.rows.values(), filter, sort, descending);
    return (only === null ? rows : rows.filter((row) => only.has(row.id))).map(
      (row): HostRef => ({ id: row.id }),
    );
  }, [fleet, version, filter, sort, descending, only]);

  // What the person asked for is obeyed at once; what the fleet did by itself waits while the list is held.
  const key = JSON.stringify([filter, sort, descending, only?.size, generation]);
  const pending = difference(shown.current.rows, fresh);
  if (shown.current.key !== key || (!held && pending > 0)) shown.current = { key, rows: fresh };
  const update = useCallback(() => setGeneration((value) => value + 1), []);
  return { rows: shown.current.rows, pending: shown.current.rows === fresh ? 0 : pending, hold, update };
}
