/** One job from `?job=`: what was tried, what the agent said, and every step it went through. */

import { Button, Drawer, Group, Skeleton } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Fragment, type ReactNode, useState } from "react";
import { Link } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf } from "@/api/problem";
import type { Attempt, JobDetail } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Mark, type Tone } from "@/components/Mark";
import { Failure, Notice } from "@/components/Notice";
import { useToasts } from "@/components/toasts";
import { exact } from "@/lib/time";
import { useParam } from "@/lib/url";
import { spaced } from "@/lib/words";
import { JOB_TONES } from "@/modules/fleet/words";
import classes from "@/modules/jobs/jobs.module.css";
import { mayAskForRollback, operationWords } from "@/modules/jobs/operations";
import { RollbackButton } from "@/modules/jobs/Rollback";

export function JobDrawer() {
  const [id, setId] = useParam("job");
  return (
    <Drawer
      opened={id !== ""}
      onClose={() => setId("")}
      position="right"
      size={640}
      title="Job"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {id !== "" && <Content id={id} />}
    </Drawer>
  );
}

function Content({ id }: { id: string }) {
  const api = useApi();
  const query = useQuery({
    queryKey: keys.job(id),
    queryFn: ({ signal }) => api.get<JobDetail>(`jobs/${id}`, { signal }),
  });
  if (query.isError)
    return <Failure error={query.error} doing="read the job" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton height={300} />;
  return <Story job={query.data} />;
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

const RESULT_TONES: Record<string, Tone> = {
  updated: "healthy",
  installed: "healthy",
  removed: "healthy",
  restored: "healthy",
  not_restored: "danger",
  not_needed: "healthy",
  failed: "danger",
  kept_back: "attention",
  excluded: "attention",
  not_accepted: "danger",
  unknown: "attention",
  pending: "unknown",
};

function Story({ job }: { job: JobDetail }) {
  return (
    <div data-testid="job-detail">
      <Mark tone={JOB_TONES[job.state]}>
        {spaced(job.state)}
        {job.finished_at === null && `, ${job.progress}%`}
      </Mark>
      <p className={classes.message}>{job.message}</p>
      <dl className={classes.pairs}>
        <dt>Host</dt>
        <dd>
          <Link to={`/hosts/${job.host_id}`}>{job.host_name}</Link>
        </dd>
        <dt>Operation</dt>
        <dd>
          {operationWords(job)}
          {job.rollback_of !== null && (
            <>
              {" "}
              (undoes <Link to={{ search: `?job=${job.rollback_of}` }}>this job</Link>)
            </>
          )}
        </dd>
        <dt>Created</dt>
        <dd>
          <Ago at={job.created_at} />
          {job.created_by !== null && ` by ${job.created_by}`}
          {job.reason !== "" && `: ${job.reason}`}
        </dd>
        <dt>Ended</dt>
        <dd>
          <Ago at={job.finished_at} none="not yet" />
        </dd>
        <dt>Reboot</dt>
        <dd>{job.reboot === "never" ? "never" : "if required"}</dd>
      </dl>
      <Actions job={job} />
      {job.packages.length > 0 && (
        <Section
          title={job.finished_at === null ? "Packages asked for" : "Packages, as verified on the host"}
        >
          <table className={classes.table}>
            <thead>
              <tr>
                <th>Package</th>
                <th>Result</th>
                <th>From</th>
                <th>To</th>
              </tr>
            </thead>
            <tbody>
              {job.packages.map((each) => (
                <Fragment key={each.name}>
                  <tr data-told={each.reason !== null}>
                    <td>{each.name}</td>
                    <td>
                      <Mark tone={RESULT_TONES[each.result] ?? "unknown"}>{spaced(each.result)}</Mark>
                    </td>
                    <td className="mono">{each.from_version ?? "–"}</td>
                    <td className="mono">{each.to_version ?? "–"}</td>
                  </tr>
                  {each.reason !== null && (
                    <tr>
                      <td />
                      <td colSpan={3} className="muted">
                        {each.reason.replace(/^excluded /, "")}
                      </td>
                    </tr>
                  )}
                </Fragment>
              ))}
            </tbody>
          </table>
        </Section>
      )}
      {job.attempts.toReversed().map((attempt) => (
        <AttemptStory key={attempt.number} attempt={attempt} />
      ))}
      <Section title="Steps">
        <table className={classes.table}>
          <tbody>
            {job.transitions.map((step) => (
              <tr key={`${step.at}${step.state}`}>
                <td className="muted">
                  <time dateTime={step.at}>{exact(step.at)}</time>
                </td>
                <td>
                  <Mark tone={JOB_TONES[step.state]}>{spaced(step.state)}</Mark>
                </td>
                <td>{step.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Section>
      <p className="muted mono">{job.id}</p>
    </div>
  );
}

function AttemptStory({ attempt }: { attempt: Attempt }) {
  return (
    <Section title={`Attempt ${attempt.number}`}>
      <dl className={classes.pairs}>
        <dt>State</dt>
        <dd>
          {spaced(attempt.state)}
          {attempt.adopted && ", adopted after a restart of the manager"}
        </dd>
        <dt>Started</dt>
        <dd>
          <Ago at={attempt.started_at} />
        </dd>
        {attempt.error_code !== null && (
          <>
            <dt>Error code</dt>
            <dd className="mono">{attempt.error_code}</dd>
          </>
        )}
        {attempt.error !== null && (
          <>
            <dt>Error</dt>
            <dd>{attempt.error}</dd>
          </>
        )}
        {attempt.exit_code !== null && (
          <>
            <dt>Exit status</dt>
            <dd>{attempt.exit_code}</dd>
          </>
        )}
        {attempt.agent_job_id !== null && (
          <>
            <dt>Agent's job</dt>
            <dd className="mono">{attempt.agent_job_id}</dd>
          </>
        )}
      </dl>
      <Output name="stderr" attempt={attempt.number} text={attempt.stderr} />
      <Output name="stdout" attempt={attempt.number} text={attempt.stdout} />
    </Section>
  );
}

function Output({ name, attempt, text }: { name: string; attempt: number; text: string | null }) {
  if (text === null || text === "") return null;
  return (
    <>
      <div className={classes.outputName}>{name}</div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long output must be scrollable by keyboard */}
      <pre className={classes.output} role="region" tabIndex={0} aria-label={`${name} of attempt ${attempt}`}>
        {text}
      </pre>
    </>
  );
}

function Actions({ job }: { job: JobDetail }) {
  const api = useApi();
  const toasts = useToasts();
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const send = async (path: string, body: unknown, done: string) => {
    setBusy(true);
    try {
      await api.post(`jobs/${job.id}/${path}`, body);
      toasts.show("healthy", done);
    } catch (error) {
      toasts.show("danger", `${job.host_name}: ${messageOf(error)}`);
    }
    setBusy(false);
    void queries.invalidateQueries({ queryKey: ["jobs"] });
    void queries.invalidateQueries({ queryKey: keys.hostJobs(job.host_id) });
  };
  if (job.state === "queued") {
    return (
      <Button
        variant="default"
        loading={busy}
        onClick={() => void send("cancel", undefined, `Job on ${job.host_name} cancelled.`)}
      >
        Cancel this job
      </Button>
    );
  }
  if (mayAskForRollback(job)) return <RollbackButton job={job} />;
  if (job.state !== "outcome_unknown") return null;
  const resolve = (outcome: "succeeded" | "failed") =>
    void send("resolve", { outcome }, `Job on ${job.host_name} resolved as ${outcome}.`);
  return (
    <Notice tone="attention" title="Nobody knows how this ended">
      Nothing else is deployed to {job.host_name} until somebody looks at the machine and says what became of
      it. It is never sent again by itself.
      <Group gap="xs" mt="xs">
        <Button variant="default" loading={busy} onClick={() => resolve("succeeded")}>
          It was done
        </Button>
        <Button variant="default" loading={busy} onClick={() => resolve("failed")}>
          It failed
        </Button>
      </Group>
    </Notice>
  );
}
