/** Reads that several pages share. */
import { useQuery } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Group, Job, Me, Page } from "@/api/types";

const NO_GROUPS: Group[] = [];

export function useMe(): Me | undefined {
  const api = useApi();
  return useQuery({
    queryKey: keys.me,
    queryFn: ({ signal }) => api.get<Me>("me", { signal }),
    staleTime: 60_000,
  }).data;
}

export function useIsAdmin(): boolean {
  return useMe()?.role === "admin";
}

export function useGroupsQuery() {
  const api = useApi();
  return useQuery({
    queryKey: keys.groups,
    queryFn: ({ signal }) => api.get<Page<Group>>("groups?limit=200", { signal }),
    staleTime: 30_000,
  });
}

/** The groups, empty until they are there. */
export function useGroups(): Group[] {
  return useGroupsQuery().data?.items ?? NO_GROUPS;
}

/** The newest failed jobs, for the dashboard's first line and its list. */
export function useFailures() {
  const api = useApi();
  return useQuery({
    queryKey: keys.failures,
    queryFn: ({ signal }) => api.get<Page<Job>>("jobs?state=failed&limit=100", { signal, background: true }),
    staleTime: 15_000,
  });
}
