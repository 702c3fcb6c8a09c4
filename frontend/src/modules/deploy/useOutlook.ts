/** The outlook of a plan from what is known of windows and freezes; undefined until all of it is. */
import { useMemo } from "react";
import { type Outlook, outlookOf } from "@/modules/deploy/outlook";
import type { Plan } from "@/modules/deploy/plan";
import { useFleet } from "@/modules/fleet/store";
import { useFreezes, useHostsWithoutWindow } from "@/modules/windows/queries";

export function useOutlook(plan: Plan | undefined): Outlook | undefined {
  const fleet = useFleet();
  const without = useHostsWithoutWindow().data;
  const freezes = useFreezes().data;
  return useMemo(() => {
    if (plan === undefined || without === undefined || freezes === undefined) return undefined;
    return outlookOf(plan.hosts, {
      without: new Set(without.map((host) => host.id)),
      freezes,
      groupsOf: (id) => fleet.row(id)?.group_ids ?? [],
    });
  }, [plan, without, freezes, fleet]);
}
