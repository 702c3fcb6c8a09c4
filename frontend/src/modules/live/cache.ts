/** What the live stream says of jobs and deployments, written into the query cache; ends are fetched once for their details. */
import type { QueryClient } from "@tanstack/react-query";
import { keys } from "@/api/keys";
import type { Deployment, Job, JobDetail, JobState, LiveDeployment, LiveJob, Page } from "@/api/types";
import type { LiveHandlers } from "@/modules/live/connection";

const TERMINAL: ReadonlySet<JobState> = new Set(["succeeded", "failed", "cancelled", "outcome_unknown"]);
const SETTLE = 800;

/** The list with the named jobs brought up to date; the same array when none is in it. */
export function withJobs<T extends Job>(list: T[], items: ReadonlyMap<string, LiveJob>): T[] {
  let touched = false;
  const next = list.map((job) => {
    const item = items.get(job.id);
    if (item === undefined) return job;
    touched = true;
    return { ...job, state: item.state, progress: item.progress, message: item.message };
  });
  return touched ? next : list;
}

export class LiveCache implements LiveHandlers {
  #ended = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly queries: QueryClient) {}

  jobs(items: LiveJob[]): void {
    const byId = new Map(items.map((item) => [item.id, item]));
    const { queries } = this;
    queries.setQueriesData<Job[]>({ queryKey: ["jobs", "of"] }, (list) => list && withJobs(list, byId));
    for (const item of items) {
      const before = queries.getQueryData<JobDetail>(keys.job(item.id))?.state;
      queries.setQueryData<JobDetail>(keys.job(item.id), (job) => job && withJobs([job], byId)[0]);
      queries.setQueryData<Page<Job>>(
        keys.hostJobs(item.host_id),
        (page) => page && { ...page, items: withJobs(page.items, byId) },
      );
      if (TERMINAL.has(item.state)) this.#settle(item);
      else if (before !== undefined && before !== item.state) {
        void queries.invalidateQueries({ queryKey: keys.job(item.id) });
      }
    }
  }

  deployments(items: LiveDeployment[]): void {
    const byId = new Map(items.map((item) => [item.id, item]));
    const update = (deployment: Deployment): Deployment => {
      const item = byId.get(deployment.id);
      return item === undefined ? deployment : { ...deployment, state: item.state, totals: item.totals };
    };
    const { queries } = this;
    const page = queries.getQueryData<Page<Deployment>>(keys.deployments);
    if (page !== undefined) {
      const known = new Set(page.items.map((deployment) => deployment.id));
      if (items.every((item) => known.has(item.id))) {
        queries.setQueryData<Page<Deployment>>(keys.deployments, { ...page, items: page.items.map(update) });
      } else void queries.invalidateQueries({ queryKey: keys.deployments, exact: true });
    }
    for (const item of items) {
      queries.setQueryData<Deployment>(
        keys.deployment(item.id),
        (deployment) => deployment && update(deployment),
      );
    }
  }

  gap(): void {
    void this.queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "preview" });
  }

  /** A job moved on: its attempts, packages and history changed too. Gathered, so that 500 ends are one fetch a list. */
  #settle(item: LiveJob): void {
    this.#ended.add(item.host_id);
    this.#timer ??= setTimeout(() => {
      const hosts = this.#ended;
      this.#ended = new Set();
      this.#timer = undefined;
      void this.queries.invalidateQueries({ queryKey: ["jobs"] });
      for (const host of hosts) void this.queries.invalidateQueries({ queryKey: keys.host(host) });
    }, SETTLE);
  }
}
