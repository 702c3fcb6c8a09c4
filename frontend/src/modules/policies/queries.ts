/** Reads and changes of policies and exclusions. */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type {
  Exclusion,
  ExclusionCreate,
  ExclusionDetail,
  Policy,
  PolicyBody,
  PolicyDetail,
  PolicyPreview,
} from "@/api/types";

/** Nobody tells the page of others' changes to policies, so it looks by itself. */
const LOOK_AGAIN = 30_000;
const TYPING = 350;

export function usePolicies() {
  const api = useApi();
  return useQuery({
    queryKey: keys.policies,
    queryFn: ({ signal }) => api.all<Policy>("policies", { signal }),
    refetchInterval: LOOK_AGAIN,
  });
}

export function usePolicy(id: string) {
  const api = useApi();
  return useQuery({
    queryKey: keys.policy(id),
    queryFn: ({ signal }) => api.get<PolicyDetail>(`policies/${id}`, { signal }),
    refetchInterval: LOOK_AGAIN,
  });
}

/** What a policy would do, a moment after the last key was pressed. */
export function usePolicyPreview(body: PolicyBody, id: string | null, ready: boolean) {
  const api = useApi();
  const asked = ready ? JSON.stringify({ ...body, policy_id: id }) : null;
  const [settled, setSettled] = useState(asked);
  useEffect(() => {
    const later = setTimeout(() => setSettled(asked), TYPING);
    return () => clearTimeout(later);
  }, [asked]);
  return useQuery({
    queryKey: keys.policyPreview(settled),
    queryFn: ({ signal }) =>
      api.post<PolicyPreview>("policies/preview", JSON.parse(settled ?? "{}"), { signal, background: true }),
    enabled: ready && settled !== null,
    placeholderData: keepPreviousData,
    retry: false,
  });
}

export function usePolicyActions() {
  const api = useApi();
  const queries = useQueryClient();
  const changed = () => queries.invalidateQueries({ queryKey: keys.policies });
  return {
    save: async (body: PolicyBody, before: Policy | null): Promise<Policy> => {
      const saved =
        before === null
          ? await api.post<Policy>("policies", body)
          : await api.send<Policy>("PATCH", `policies/${before.id}`, {
              body: { ...body, version: before.version },
            });
      await changed();
      return saved;
    },
    enable: async (policy: Policy, enabled: boolean): Promise<void> => {
      await api.send("PATCH", `policies/${policy.id}`, { body: { enabled } });
      await changed();
    },
    remove: async (policy: Policy): Promise<void> => {
      await api.send("DELETE", `policies/${policy.id}`);
      // Not its own page, which would ask once more for what is gone.
      await queries.invalidateQueries({ queryKey: keys.policies, exact: true });
    },
  };
}

export function useExclusions() {
  const api = useApi();
  return useQuery({
    queryKey: keys.exclusions,
    queryFn: ({ signal }) => api.all<Exclusion>("exclusions", { signal }),
    refetchInterval: LOOK_AGAIN,
  });
}

/** An exclusion with what it holds back now. */
export function useExclusion(id: string) {
  const api = useApi();
  return useQuery({
    queryKey: keys.exclusion(id),
    queryFn: ({ signal }) => api.get<ExclusionDetail>(`exclusions/${id}`, { signal }),
  });
}

export function useExclusionActions() {
  const api = useApi();
  const queries = useQueryClient();
  const changed = () => queries.invalidateQueries({ queryKey: keys.exclusions });
  return {
    create: async (body: ExclusionCreate): Promise<void> => {
      await api.post("exclusions", body);
      await changed();
    },
    change: async (
      before: Exclusion,
      body: Pick<ExclusionCreate, "owner" | "reason" | "expires_at">,
    ): Promise<void> => {
      await api.send("PATCH", `exclusions/${before.id}`, { body: { ...body, version: before.version } });
      await changed();
    },
    remove: async (before: Exclusion): Promise<void> => {
      await api.send("DELETE", `exclusions/${before.id}`);
      await changed();
    },
  };
}
