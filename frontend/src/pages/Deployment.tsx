/** One deployment: its bar, what failed and why, and every host. */

import { Button, Group, Skeleton } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf, ProblemError } from "@/api/problem";
import type { Deployment as DeploymentRow } from "@/api/types";
import { Ago } from "@/components/Ago";
import { JobBar } from "@/components/Bars";
import { Confirm, mustType } from "@/components/Confirm";
import { Empty, Failure } from "@/components/Notice";
import { useToasts } from "@/components/toasts";
import { count, plural, sentence } from "@/lib/words";
import { DeploymentJobs } from "@/modules/jobs/DeploymentJobs";
import { JobDrawer } from "@/modules/jobs/JobDrawer";
import classes from "@/modules/jobs/jobs.module.css";
import { Rings } from "@/modules/jobs/Rings";
import { progressWords, whatOf } from "@/modules/jobs/words";
import { useTitle } from "@/modules/shell/title";

const ABOVE = { text: "Jobs", to: "/jobs" };
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
      <Rings deployment={query.data} />
      <DeploymentJobs deployment={query.data} />
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
            {deployment.created_by} asked for {whatOf(deployment)} <Ago at={deployment.created_at} />,{" "}
            {deployment.when === "now" ? "to start at once" : "in each host's window"}, reboots{" "}
            {deployment.reboot === "never" ? "never" : "if required"}
            {deployment.override_freeze && ", freezes overridden"}
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
        {queued === 0 ? "Cancel" : `Cancel ${count(queued)} not started`}
      </Button>
      <Button variant="default" disabled={failed === 0} onClick={() => setAsking("retry")}>
        {failed === 0 ? "Retry failed" : `Retry ${count(failed)} failed`}
      </Button>
      {asking === "cancel" && (
        <Confirm
          title={`Cancel ${plural(queued, "job")}?`}
          label={`Cancel ${plural(queued, "job")}`}
          danger
          typed={mustType(queued)}
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
          typed={mustType(failed)}
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
