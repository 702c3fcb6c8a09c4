/** Reads that several pages share. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import type { Api } from "@/api/http";
import { keys } from "@/api/keys";
import type { Group, Job, Me, Page } from "@/api/types";

const NO_GROUPS: Group[] = [];

export const reads = {
  me: (api: Api) =>
    queryOptions({
      queryKey: keys.me,
      queryFn: ({ signal }) => api.get<Me>("me", { signal, background: true }),
      staleTime: 60_000,
    }),
  groups: (api: Api) =>
    queryOptions({
      queryKey: keys.groups,
      queryFn: async ({ signal }) => api.all<Group>("groups", { signal, background: true }),
      staleTime: 30_000,
    }),
  /** The newest failed jobs, for the dashboard's first line and its list. */
  failures: (api: Api) =>
    queryOptions({
      queryKey: keys.failures,
      queryFn: ({ signal }) =>
        api.get<Page<Job>>("jobs?state=failed&limit=100", { signal, background: true }),
      staleTime: 15_000,
    }),
};

export function useMe(): Me | undefined {
  return useQuery(reads.me(useApi())).data;
}

export function useIsAdmin(): boolean {
  return useMe()?.role === "admin";
}

export function useGroupsQuery() {
  return useQuery(reads.groups(useApi()));
}

/** The groups, empty until they are there. */
export function useGroups(): Group[] {
  return useGroupsQuery().data ?? NO_GROUPS;
}

export function useFailures() {
  return useQuery(reads.failures(useApi()));
}
