/** Reads and changes of windows and freezes. Whatever changes one makes all that was read of them old. */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type {
  Freeze,
  MaintenanceWindow,
  NextOpening,
  Occurrence,
  Opening,
  UncoveredHost,
  UpcomingWindow,
  UpcomingWindows,
  WindowCreate,
} from "@/api/types";
import { useHost } from "@/modules/fleet/store";
import { concerns } from "@/modules/windows/words";

const FRESH = 30_000;
/** Nobody tells the page of others' changes to windows, so it looks by itself. */
const LOOK_AGAIN = 60_000;

export function useWindows() {
  const api = useApi();
  return useQuery({
    queryKey: keys.windows,
    queryFn: ({ signal }) => api.all<MaintenanceWindow>("windows", { signal }),
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
  });
}

export function useWindowsOf(host: string) {
  const api = useApi();
  return useQuery({
    queryKey: keys.windowsOf(host),
    queryFn: ({ signal }) => api.all<MaintenanceWindow>(`hosts/${host}/windows`, { signal }),
  });
}

export function useFreezes(past = false) {
  const api = useApi();
  return useQuery({
    queryKey: keys.freezes(past),
    queryFn: ({ signal }) => api.all<Freeze>(`freezes?past=${past}`, { signal }),
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
  });
}

/** The freezes that hold a host at this moment. */
export function useFreezesOf(host: string): Freeze[] {
  const groups = useHost(host)?.group_ids ?? [];
  return (useFreezes().data ?? []).filter((freeze) => freeze.active && concerns(freeze, groups));
}

export function useHostsWithoutWindow() {
  const api = useApi();
  return useQuery({
    queryKey: keys.withoutWindow,
    queryFn: ({ signal }) => api.all<UncoveredHost>("fleet/hosts-without-window", { signal }),
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
  });
}

/** Openings from a moment on, of the whole fleet or of one group. */
export function useAgenda(after: number, hours: number, group: string | null) {
  const api = useApi();
  const begin = new Date(after).toISOString();
  const of = group === null ? "" : `&group_id=${group}`;
  return useQuery({
    queryKey: keys.agenda(begin, hours, group),
    queryFn: ({ signal }) =>
      api.all<Opening>(
        `fleet/agenda?after=${encodeURIComponent(begin)}&hours=${hours}${of}`,
        { signal, background: true },
        5_000,
      ),
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
    placeholderData: keepPreviousData,
  });
}

/** The hosts of one opening. */
export function useHostsOf(opening: Pick<Opening, "opens_at" | "closes_at">, group: string | null) {
  const api = useApi();
  const of = group === null ? "" : `&group_id=${group}`;
  const span = `opens_at=${encodeURIComponent(opening.opens_at)}&closes_at=${encodeURIComponent(opening.closes_at)}`;
  return useQuery({
    queryKey: keys.opening(opening.opens_at, opening.closes_at, group),
    queryFn: ({ signal }) =>
      api.all<UpcomingWindow>(`fleet/upcoming-windows?hours=1&${span}${of}`, { signal }),
    staleTime: FRESH,
  });
}

/** When a host opens next; `next` is undefined for one that no window opens on. */
export function useNextOpeningOf(host: string): { known: boolean; next: NextOpening | undefined } {
  const api = useApi();
  const { data } = useQuery({
    queryKey: keys.nextOpenings,
    queryFn: async ({ signal }) => {
      const { items } = await api.get<{ items: NextOpening[] }>("fleet/next-openings", {
        signal,
        background: true,
      });
      return new Map(items.map((each) => [each.host_id, each]));
    },
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
  });
  return { known: data !== undefined, next: data?.get(host) };
}

/** How many hosts there are, and how many of them have no window. */
export function useCoverage() {
  const api = useApi();
  return useQuery({
    queryKey: keys.coverage,
    queryFn: ({ signal }) =>
      api.get<UpcomingWindows>("fleet/upcoming-windows?hours=1&limit=1", { signal, background: true }),
    staleTime: FRESH,
    refetchInterval: LOOK_AGAIN,
  });
}

const TYPING = 250;

/** The next openings of a window that is being typed, a moment after the last key; null while it is not whole. */
export function useNextOpenings(body: WindowCreate | null, count = 5) {
  const api = useApi();
  const text = JSON.stringify(body);
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const later = setTimeout(() => setSettled(text), TYPING);
    return () => clearTimeout(later);
  }, [text]);
  return useQuery({
    queryKey: keys.windowPreview(settled, count),
    queryFn: ({ signal }) =>
      api.post<{ items: Occurrence[] }>("windows/preview", { ...JSON.parse(settled), count }, { signal }),
    enabled: settled !== "null" && body !== null,
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: FRESH,
  });
}

/** Forget what was read of windows, freezes and the jobs that they hold. */
export function useWindowsChanged(): () => void {
  const queries = useQueryClient();
  return () => {
    void queries.invalidateQueries({ queryKey: keys.windows });
    void queries.invalidateQueries({ queryKey: ["jobs"] });
    void queries.invalidateQueries({ queryKey: ["preview"] });
  };
}
