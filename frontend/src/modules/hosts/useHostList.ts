/** The host list in the order asked for, brought up to date as the fleet changes (but see `heldOrder`). */
import { useMemo } from "react";
import { type HeldOrder, useHeldOrder } from "@/lib/heldOrder";
import { choose, type HostFilter } from "@/modules/fleet/filters";
import { useFleet, useFleetVersion } from "@/modules/fleet/store";
import type { HostRef } from "@/modules/hosts/columns";

export interface Wanted {
  filter: HostFilter;
  sort?: string;
  descending?: boolean;
  /** Only these, when given. */
  only?: ReadonlySet<string> | null;
}

export function useHostList({
  filter,
  sort = "name",
  descending = false,
  only = null,
}: Wanted): HeldOrder<HostRef> {
  const fleet = useFleet();
  const version = useFleetVersion(500);
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const fresh = useMemo(() => {
    const rows = choose(fleet.rows.values(), filter, sort, descending);
    return (only === null ? rows : rows.filter((row) => only.has(row.id))).map(
      (row): HostRef => ({ id: row.id }),
    );
  }, [fleet, version, filter, sort, descending, only]);
  return useHeldOrder(fresh, JSON.stringify([filter, sort, descending, only?.size]));
}
