/** Failures gathered by cause: one line to understand, its hosts to act on. */
import { Link } from "react-router";
import type { Job } from "@/api/types";
import { Shape } from "@/components/Mark";
import { count, plural } from "@/lib/words";
import { byCause, errorOf } from "@/modules/jobs/failures";
import classes from "@/modules/jobs/jobs.module.css";

const SHOWN = 24;

export function Causes({ jobs }: { jobs: readonly Job[] }) {
  return (
    <>
      {byCause(jobs).map((cause) => {
        const [first] = cause.jobs;
        const text = first === undefined ? "" : errorOf(first).text;
        return (
          <div key={cause.key} className={classes.cause} data-testid="failure-cause">
            <div className={classes.causeHead}>
              <Shape tone="danger" />
              <b>{cause.title}</b>
              <span className="muted">{plural(cause.jobs.length, "host")}</span>
            </div>
            {text !== cause.title && <div>{text}</div>}
            <div className={classes.hosts}>
              {cause.jobs.slice(0, SHOWN).map((job) => (
                <Link
                  key={job.id}
                  to={
                    job.deployment_id === null
                      ? `/hosts/${job.host_id}?tab=jobs&job=${job.id}`
                      : `/jobs/${job.deployment_id}?job=${job.id}`
                  }
                >
                  {job.host_name}
                </Link>
              ))}
              {cause.jobs.length > SHOWN && (
                <span className="muted">and {count(cause.jobs.length - SHOWN)} more</span>
              )}
            </div>
          </div>
        );
      })}
    </>
  );
}
