/** Channels, rules and the log of deliveries, and what must be read again after a change. */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { useApi } from "@/api/context";
import type { Channel, Delivery, DeliveryState, Page, Rule } from "@/api/types";

const ALL = ["notifications"] as const;
const LOG_MS = 5_000;

export function useChannels() {
  const api = useApi();
  return useQuery({
    queryKey: [...ALL, "channels"],
    queryFn: ({ signal }) => api.all<Channel>("notifications/channels", { signal, background: true }),
  });
}

export function useRules() {
  const api = useApi();
  return useQuery({
    queryKey: [...ALL, "rules"],
    queryFn: ({ signal }) => api.all<Rule>("notifications/rules", { signal, background: true }),
  });
}

/** The newest deliveries; read again while the page is looked at, for a channel that fails is news. */
export function useDeliveries(states: readonly DeliveryState[]) {
  const api = useApi();
  const filter = states.length > 0 ? `&state=${states.join(",")}` : "";
  return useQuery({
    queryKey: [...ALL, "deliveries", filter],
    queryFn: ({ signal }) =>
      api.get<Page<Delivery>>(`notifications/deliveries?limit=200${filter}`, { signal, background: true }),
    placeholderData: keepPreviousData,
    refetchInterval: LOG_MS,
  });
}

/** Read everything of this page again. */
export function useReread(): () => Promise<void> {
  const queries = useQueryClient();
  return useCallback(() => queries.invalidateQueries({ queryKey: ALL }), [queries]);
}
