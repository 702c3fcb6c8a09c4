/** What the live stream says of jobs and deployments, written into the query cache; ends are fetched once for their details. */
import type { InfiniteData, QueryClient } from "@tanstack/react-query";
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

/** The pages of an endless list with the named jobs brought up to date; the same object when none is in it. */
export function inPages(
  data: InfiniteData<Page<Job>>,
  items: ReadonlyMap<string, LiveJob>,
): InfiniteData<Page<Job>> {
  let touched = false;
  const pages = data.pages.map((page) => {
    const next = withJobs(page.items, items);
    if (next === page.items) return page;
    touched = true;
    return { ...page, items: next };
  });
  return touched ? { ...data, pages } : data;
}

/** What the stream says of a deployment that its page shows; what is asked for never changes. */
function told({ id: _, rollout: __, ...item }: LiveDeployment): Partial<Deployment> {
  return item;
}

export class LiveCache implements LiveHandlers {
  #ended = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly queries: QueryClient) {}

  jobs(items: LiveJob[]): void {
    const byId = new Map(items.map((item) => [item.id, item]));
    const { queries } = this;
    for (const queryKey of [
      ["jobs", "of"],
      ["jobs", "list"],
    ])
      queries.setQueriesData<InfiniteData<Page<Job>>>({ queryKey }, (data) => data && inPages(data, byId));
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
      return item === undefined ? deployment : { ...deployment, ...told(item) };
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
