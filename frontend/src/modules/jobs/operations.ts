/** What a job does, in words; and asking for the operations on one host. */
import { useQueryClient } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Job, JobDetail, PackageOperation, RebootRequest, RollbackRequest } from "@/api/types";
import { useToasts } from "@/components/toasts";
import { useQueryParams } from "@/lib/url";
import { listed, plural } from "@/lib/words";
import { OPERATIONS } from "@/modules/jobs/filter";

export type When = "now" | "window";

/** When an operation starts, and whether an admin lets it start inside a freeze. */
export interface Terms {
  when: When;
  override_freeze: boolean;
}

export const AT_ONCE: Terms = { when: "now", override_freeze: false };

const WORDS: Record<string, string> = OPERATIONS;
const NAMED = 2;

/** `patching`, `reboot`, `installation`. */
export function operationWord(operation: string): string {
  return WORDS[operation] ?? operation;
}

/** `installation of htop and curl`, `removal of 3 packages`; patching names none: its list is long. */
export function operationWords(job: Pick<Job, "operation" | "packages">): string {
  const word = operationWord(job.operation);
  const names = job.packages.map((each) => each.name);
  if (names.length === 0 || ["patchapply", "reboot"].includes(job.operation)) return word;
  return `${word} of ${names.length <= NAMED ? listed(names) : plural(names.length, "package")}`;
}

/** Whether a job is of a kind and in a state that a rollback may be asked about. */
export function mayAskForRollback(job: Pick<Job, "operation" | "state" | "attempts">): boolean {
  return (
    ["patchapply", "install", "update", "remove"].includes(job.operation) &&
    ["succeeded", "failed"].includes(job.state) &&
    job.attempts.some((attempt) => attempt.agent_job_id !== null)
  );
}

/** Each queues one job, says so, and opens it beside the host's jobs. They raise what the server refuses. */
export function useOperations() {
  const api = useApi();
  const toasts = useToasts();
  const queries = useQueryClient();
  const [, update] = useQueryParams();

  const queued = (job: JobDetail, what: string) => {
    toasts.show("working", `${what} on ${job.host_name}: ${job.message}.`);
    void queries.invalidateQueries({ queryKey: ["jobs"] });
    void queries.invalidateQueries({ queryKey: keys.hostJobs(job.host_id) });
    update((query) => {
      query.set("job", job.id);
      return query;
    }, true);
  };
  const ask = async (path: string, body: unknown, what: string) => {
    // One key per click: a request whose answer was lost on the way is not carried out twice.
    const headers = { "idempotency-key": crypto.randomUUID() };
    queued(await api.post<JobDetail>(path, body, { headers }), what);
  };
  return {
    reboot: (host: string, body: RebootRequest) => ask(`hosts/${host}/reboot`, body, "Reboot"),
    changePackages: (host: string, body: PackageOperation, what: string) =>
      ask(`hosts/${host}/package-operations`, body, what),
    rollback: (job: string, body: RollbackRequest) => ask(`jobs/${job}/rollback`, body, "Rollback"),
  };
}
