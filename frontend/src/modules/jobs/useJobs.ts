/** Jobs page by page as the server filters them; of a deployment the failed first, then what moves, then the rest. */
import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Job, JobState, Page } from "@/api/types";
import { type JobFilter, jobQuery } from "@/modules/jobs/filter";

const AT_ONCE = 200;
const NO_JOBS: Job[] = [];

/** Asked for one after the other, so that what matters most is read first, however many there are. */
export const GROUPS: readonly (readonly JobState[])[] = [
  ["failed", "outcome_unknown"],
  ["running", "rebooting", "verifying", "dispatching"],
  ["queued"],
  ["succeeded"],
  ["cancelled"],
];

interface Place {
  group: number;
  cursor: string;
}

/** All rows of the pages, each job once: one that moved on meanwhile may be on two. */
function flat(data: InfiniteData<Page<Job>, unknown> | undefined): Job[] {
  if (data === undefined) return NO_JOBS;
  const found = new Map<string, Job>();
  for (const page of data.pages) for (const job of page.items) if (!found.has(job.id)) found.set(job.id, job);
  return [...found.values()];
}

function useFlat(query: {
  data: InfiniteData<Page<Job>, unknown> | undefined;
  hasNextPage: boolean;
  isFetching: boolean;
  fetchNextPage: () => unknown;
}) {
  const rows = useMemo(() => flat(query.data), [query.data]);
  const more = () => {
    if (query.hasNextPage && !query.isFetching) void query.fetchNextPage();
  };
  return { rows, more };
}

/** The jobs of a deployment in the order of their states; with a state, only those in it. */
export function useDeploymentJobs(
  deployment: string,
  state: JobState | null,
  search: string,
  ring: number | null,
) {
  const api = useApi();
  const groups = state === null ? GROUPS : [[state]];
  const query = useInfiniteQuery({
    queryKey: [...keys.deploymentJobs(deployment), state, search, ring],
    initialPageParam: { group: 0, cursor: "" } as Place,
    queryFn: ({ pageParam, signal }) => {
      const params = new URLSearchParams({ deployment_id: deployment, limit: String(AT_ONCE) });
      params.set("state", (groups[pageParam.group] ?? []).join(","));
      if (search !== "") params.set("search", search);
      if (ring !== null) params.set("ring", String(ring));
      if (pageParam.cursor !== "") params.set("cursor", pageParam.cursor);
      return api.get<Page<Job>>(`jobs?${params}`, { signal });
    },
    getNextPageParam: (last, _, { group }): Place | undefined => {
      if (last.next_cursor !== null) return { group, cursor: last.next_cursor };
      return group + 1 < groups.length ? { group: group + 1, cursor: "" } : undefined;
    },
  });
  return { query, ...useFlat(query) };
}

/** Jobs of all hosts that match, newest first. */
export function useJobs(filter: JobFilter) {
  const api = useApi();
  const query = useInfiniteQuery({
    queryKey: keys.jobList(filter),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const params = jobQuery(filter);
      params.set("limit", String(AT_ONCE));
      if (pageParam !== "") params.set("cursor", pageParam);
      return api.get<Page<Job>>(`jobs?${params}`, { signal });
    },
    getNextPageParam: (last) => last.next_cursor,
  });
  return { query, total: query.data?.pages[0]?.total, ...useFlat(query) };
}
