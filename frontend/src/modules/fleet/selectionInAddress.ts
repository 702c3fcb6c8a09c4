/** Keeps the chosen hosts in the address, so that a link or a reload finds them again. */
import { useEffect } from "react";
import { useLocation, useNavigate } from "react-router";
import { toFragment, useSelectedIds } from "@/modules/fleet/selection";
import { useFleet } from "@/modules/fleet/store";

const STILL_MS = 400; // choosing many hosts one by one is one change

/** Write the selection into the fragment once it rests; `ready` once what the fragment named has been read. */
export function useSelectionInAddress(ready: boolean): void {
  const fleet = useFleet();
  const selected = useSelectedIds();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  useEffect(() => {
    if (!ready) return;
    const later = setTimeout(() => {
      // The address is ahead of what is on the screen: it may have changed, or be another page that is being fetched.
      const now = window.location;
      const fragment = toFragment(selected, fleet.rows.keys());
      if (now.pathname === pathname && now.hash !== fragment)
        void navigate({ search: now.search, hash: fragment }, { replace: true, preventScrollReset: true });
    }, STILL_MS);
    return () => clearTimeout(later);
  }, [ready, selected, fleet, pathname, navigate]);
}
