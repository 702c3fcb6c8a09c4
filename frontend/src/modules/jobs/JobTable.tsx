/** Jobs in a virtual table; a row opens its drawer. */
import { type ReactNode, useMemo } from "react";
import type { Job } from "@/api/types";
import { Ago } from "@/components/Ago";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { useNow } from "@/lib/clock";
import { span } from "@/lib/time";
import { useQueryParams } from "@/lib/url";
import { spaced } from "@/lib/words";
import { JOB_TONES } from "@/modules/fleet/words";
import { errorOf } from "@/modules/jobs/failures";
import classes from "@/modules/jobs/jobs.module.css";
import { operationWords } from "@/modules/jobs/operations";

/** How long a job ran, ticking while it does. */
function Duration({ job }: { job: Job }) {
  const now = useNow();
  if (job.started_at === null) return <span className="muted">–</span>;
  return span((job.finished_at === null ? now : Date.parse(job.finished_at)) - Date.parse(job.started_at));
}

function said(job: Job): string {
  if (job.state !== "failed") return job.message;
  const error = errorOf(job);
  return error.code === null ? error.text : `${error.code}: ${error.text}`;
}

const COLUMNS: readonly Column<Job>[] = [
  { id: "host", title: "Host", width: 150, grow: 1, cell: (job) => job.host_name },
  {
    id: "operation",
    title: "Operation",
    width: 130,
    grow: 1,
    cell: (job) => <span title={operationWords(job)}>{operationWords(job)}</span>,
  },
  {
    id: "state",
    title: "State",
    width: 136,
    cell: (job) => <Mark tone={JOB_TONES[job.state]}>{spaced(job.state)}</Mark>,
  },
  {
    id: "progress",
    title: "Progress",
    width: 130,
    cell: (job) => (
      <span className={classes.progress}>
        <span className={classes.track}>
          <span data-state={job.state} style={{ width: `${job.progress}%` }} />
        </span>
        {job.progress}%
      </span>
    ),
  },
  {
    id: "message",
    title: "Message",
    width: 240,
    grow: 4,
    cell: (job) => <span title={said(job)}>{said(job)}</span>,
  },
  {
    id: "packages",
    title: "Packages",
    width: 90,
    align: "right",
    cell: (job) => (job.packages.length === 0 ? <span className="muted">–</span> : job.packages.length),
  },
  { id: "attempts", title: "Attempts", width: 84, align: "right", cell: (job) => job.attempts.length },
  { id: "created", title: "Created", width: 110, cell: (job) => <Ago at={job.created_at} /> },
  { id: "took", title: "Took", width: 90, align: "right", cell: (job) => <Duration job={job} /> },
];

interface Props {
  jobs: Job[];
  hideHost?: boolean;
  everyColumn?: boolean;
  onEnd?: () => void;
  nothing: ReactNode;
}

export function JobTable({ jobs, hideHost = false, everyColumn = false, onEnd, nothing }: Props) {
  const [, update] = useQueryParams();
  const visible = useMemo(
    () => ({
      host: !hideHost,
      operation: hideHost || everyColumn,
      created: hideHost || everyColumn,
      // Of jobs of all kinds and times, few are at work: their place is for what was said.
      progress: !everyColumn,
      packages: !everyColumn,
    }),
    [hideHost, everyColumn],
  );
  const open = (job: Job) =>
    update((query) => {
      query.set("job", job.id);
      return query;
    }, true);
  return (
    <DataTable
      label="Jobs"
      columns={COLUMNS}
      rows={jobs}
      visible={visible}
      onOpen={open}
      nothing={nothing}
      {...(onEnd === undefined ? {} : { onEnd })}
    />
  );
}
