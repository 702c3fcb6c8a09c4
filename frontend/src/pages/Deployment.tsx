/** One deployment: its bar, what failed and why, and every host. */

import { Button, Group, Skeleton } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf, ProblemError } from "@/api/problem";
import type { Deployment as DeploymentRow, Job, JobState } from "@/api/types";
import { Ago } from "@/components/Ago";
import { JobBar } from "@/components/Bars";
import { Chip } from "@/components/Chip";
import { Confirm } from "@/components/Confirm";
import { Empty, Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import page from "@/components/page.module.css";
import { useToasts } from "@/components/toasts";
import { useHeldOrder } from "@/lib/heldOrder";
import { useParam } from "@/lib/url";
import { naturally, plural, sentence, spaced } from "@/lib/words";
import { JOB_TONES } from "@/modules/fleet/words";
import { Causes } from "@/modules/jobs/Causes";
import { JobDrawer } from "@/modules/jobs/JobDrawer";
import { JobTable } from "@/modules/jobs/JobTable";
import classes from "@/modules/jobs/jobs.module.css";
import { progressWords, whatOf } from "@/modules/jobs/words";
import { useTitle } from "@/modules/shell/title";

const ABOVE = { text: "Jobs", to: "/jobs" };
/** Failures first, then what moves, then what waits, then what is done. */
const ORDER: readonly JobState[] = [
  "failed",
  "outcome_unknown",
  "running",
  "rebooting",
  "verifying",
  "dispatching",
  "queued",
  "succeeded",
  "cancelled",
];
const RANK = new Map(ORDER.map((state, rank) => [state, rank]));

export default function Deployment() {
  const { id = "" } = useParams();
  const api = useApi();
  const query = useQuery({
    queryKey: keys.deployment(id),
    queryFn: ({ signal }) => api.get<DeploymentRow>(`deployments/${id}`, { signal }),
  });
  useTitle(query.data === undefined ? "Deployment" : sentence(whatOf(query.data)), ABOVE);
  if (query.error instanceof ProblemError && query.error.status === 404) {
    return (
      <Empty
        title="No such deployment"
        actions={
          <Button component={Link} to="/jobs">
            All deployments
          </Button>
        }
      />
    );
  }
  if (query.isError)
    return <Failure error={query.error} doing="read the deployment" retry={() => void query.refetch()} />;
  if (query.isPending) {
    return (
      <div className="page" aria-busy="true">
        <Skeleton height={60} />
        <Skeleton height={400} />
      </div>
    );
  }
  return (
    <div className="page full">
      <Head deployment={query.data} />
      <HostJobs deployment={query.data} />
      <JobDrawer />
    </div>
  );
}

function Head({ deployment }: { deployment: DeploymentRow }) {
  const { totals } = deployment;
  return (
    <div className={classes.totals}>
      <Group justify="space-between" align="flex-start">
        <div>
          <div className={classes.words} data-testid="deployment-words">
            {progressWords(totals)}
          </div>
          <div className="muted">
            {deployment.created_by} asked for {whatOf(deployment)} <Ago at={deployment.created_at} />, reboots{" "}
            {deployment.reboot === "never" ? "never" : "if required"}
            {deployment.finished_at !== null && (
              <>
                , ended <Ago at={deployment.finished_at} />
              </>
            )}
          </div>
        </div>
        <Actions deployment={deployment} />
      </Group>
      <JobBar totals={totals} />
    </div>
  );
}

function Actions({ deployment }: { deployment: DeploymentRow }) {
  const api = useApi();
  const toasts = useToasts();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<"cancel" | "retry" | null>(null);
  const { queued, failed } = deployment.totals;
  const done = () => {
    setAsking(null);
    void queries.invalidateQueries({ queryKey: keys.deployments });
    void queries.invalidateQueries({ queryKey: ["jobs"] });
  };
  return (
    <Group gap="xs">
      <Button variant="default" disabled={queued === 0} onClick={() => setAsking("cancel")}>
        {queued === 0 ? "Cancel" : `Cancel ${queued} not started`}
      </Button>
      <Button variant="default" disabled={failed === 0} onClick={() => setAsking("retry")}>
        {failed === 0 ? "Retry failed" : `Retry ${failed} failed`}
      </Button>
      {asking === "cancel" && (
        <Confirm
          title={`Cancel ${plural(queued, "job")}?`}
          label={`Cancel ${plural(queued, "job")}`}
          danger
          onClose={() => setAsking(null)}
          onConfirm={async () => {
            await api.post(`deployments/${deployment.id}/cancel`);
            toasts.show("healthy", "What had not started is cancelled.");
            done();
          }}
        >
          <p>
            {plural(queued, "host")} that did not start yet {queued === 1 ? "is" : "are"} left as they are.
            What runs goes on to its end; what is done stays done.
          </p>
        </Confirm>
      )}
      {asking === "retry" && (
        <Confirm
          title={`Retry ${plural(failed, "failed host")}?`}
          label={`Retry ${plural(failed, "host")}`}
          typed={failed > 50 ? failed : null}
          onClose={() => setAsking(null)}
          onConfirm={async () => {
            try {
              const next = await api.post<DeploymentRow | undefined>(
                `deployments/${deployment.id}/retry-failed`,
              );
              done();
              if (next !== undefined && next.id !== deployment.id) void navigate(`/jobs/${next.id}`);
            } catch (error) {
              throw new Error(messageOf(error));
            }
          }}
        >
          <p>
            The same packages are asked for again on {plural(failed, "host")}, now; reboots{" "}
            {deployment.reboot === "never" ? "never happen" : "happen where required"}.
          </p>
        </Confirm>
      )}
    </Group>
  );
}

const FAILED: readonly JobState[] = ["failed", "outcome_unknown"];

function HostJobs({ deployment }: { deployment: DeploymentRow }) {
  const api = useApi();
  const [state, setState] = useParam("state");
  const query = useQuery({
    queryKey: keys.deploymentJobs(deployment.id),
    queryFn: ({ signal }) => api.all<Job>(`jobs?deployment_id=${deployment.id}`, { signal }),
  });
  const fresh = useMemo(
    () =>
      (query.data ?? [])
        .filter((job) => state === "" || job.state === state)
        .sort(
          (a, b) =>
            (RANK.get(a.state) ?? 0) - (RANK.get(b.state) ?? 0) ||
            naturally.compare(a.host_name, b.host_name),
        ),
    [query.data, state],
  );
  const list = useHeldOrder(fresh, state);
  const failed = useMemo(() => (query.data ?? []).filter((job) => FAILED.includes(job.state)), [query.data]);
  if (query.isError)
    return <Failure error={query.error} doing="read the jobs" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  return (
    <>
      {failed.length > 0 && (
        <Panel title={`Why ${plural(failed.length, "host")} failed`}>
          <Causes jobs={failed} />
        </Panel>
      )}
      <div className={page.toolbar}>
        {ORDER.filter((each) => deployment.totals[each] > 0 || each === state).map((each) => (
          <Chip
            key={each}
            on={state === each}
            number={deployment.totals[each]}
            tone={JOB_TONES[each]}
            onToggle={() => setState(state === each ? "" : each)}
          >
            {spaced(each)}
          </Chip>
        ))}
        {list.pending > 0 && (
          <Button variant="light" size="compact-sm" onClick={list.update}>
            {plural(list.pending, "row")} moved: update
          </Button>
        )}
      </div>
      <div className="fill" onPointerEnter={() => list.hold(true)} onPointerLeave={() => list.hold(false)}>
        <JobTable jobs={list.rows} nothing="No job is in this state." />
      </div>
    </>
  );
}
