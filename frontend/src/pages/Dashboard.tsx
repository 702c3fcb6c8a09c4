/** Is anything wrong, and what needs doing next? */

import { Button, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "react-router";
import { useFailures } from "@/api/queries";
import { Ago } from "@/components/Ago";
import { Shape } from "@/components/Mark";
import { Panel } from "@/components/Panel";
import { count, plural } from "@/lib/words";
import { advise } from "@/modules/fleet/advice";
import { useFleet, useFleetLoaded, useFleetVersion, useTotals } from "@/modules/fleet/store";
import { statements } from "@/modules/fleet/words";
import { EmptyFleet } from "@/modules/hosts/EmptyFleet";
import { errorOf, recent } from "@/modules/jobs/failures";
import { MapPanel } from "@/modules/map/MapPanel";
import { useTitle } from "@/modules/shell/title";
import { Timeline } from "@/modules/windows/Timeline";
import classes from "@/pages/Dashboard.module.css";

export default function Dashboard() {
  useTitle("Dashboard");
  const totals = useTotals();
  if (totals?.hosts === 0) return <EmptyFleet />;
  return (
    <div className="page full">
      <FirstLine />
      <MapPanel />
      <Timeline />
      <div className={classes.below}>
        <Next />
        <Failures />
      </div>
      <footer className={classes.foot}>
        <span>Agents and browsers trust this manager by its internal authority.</span>
        <a href="/api/v1/pki/root.crt" download data-testid="root-certificate">
          Download the root certificate
        </a>
      </footer>
    </div>
  );
}

function FirstLine() {
  const totals = useTotals();
  const failures = useFailures().data?.items ?? [];
  if (totals === null) return <Skeleton height={28} width="60%" />;
  const said = statements(totals, recent(failures).length);
  const working = totals.working > 0 ? `, ${count(totals.working)} with a job in hand` : "";
  return (
    <div className={classes.line} data-testid="first-line">
      {said.length === 0 ? (
        <span>Nothing needs you.</span>
      ) : (
        said.map((statement) => (
          <Link key={statement.to} to={statement.to}>
            <Shape tone={statement.tone} />
            {statement.text}
          </Link>
        ))
      )}
      <span className={classes.summary}>
        {plural(totals.hosts, "host")}
        {working}, {plural(totals.pending_patches, "patch", "patches")} pending
      </span>
    </div>
  );
}

function Next() {
  const fleet = useFleet();
  const loaded = useFleetLoaded();
  const version = useFleetVersion(1_000);
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const advice = useMemo(() => advise(fleet.rows.values()), [fleet, version]);
  return (
    <Panel title="Do next">
      <ul className={classes.list}>
        {loaded && advice.length === 0 && (
          <li className={classes.calm}>Every host answers and nothing is overdue.</li>
        )}
        {advice.map((item) => (
          <li key={item.key}>
            <Shape tone={item.tone} />
            <div className={classes.text}>
              <div className="ellipsis">{item.text}</div>
              <div className="muted ellipsis" title={item.detail}>
                {item.detail}
              </div>
            </div>
            <Button component={Link} to={item.to} variant="default" size="compact-sm">
              {item.action}
            </Button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const SHOWN_FAILURES = 20;

function Failures() {
  const query = useFailures();
  const jobs = recent(query.data?.items ?? []);
  return (
    <Panel title="Failed in the last 24 hours" actions={<Link to="/jobs?view=failures">All failures</Link>}>
      <ul className={classes.list}>
        {query.isSuccess && jobs.length === 0 && <li className={classes.calm}>No job failed.</li>}
        {jobs.slice(0, SHOWN_FAILURES).map((job) => {
          const error = errorOf(job);
          return (
            <li key={job.id}>
              <Shape tone="danger" />
              <div className={classes.text}>
                <Link
                  to={
                    job.deployment_id === null
                      ? `/hosts/${job.host_id}?tab=jobs`
                      : `/jobs/${job.deployment_id}?job=${job.id}`
                  }
                >
                  {job.host_name}
                </Link>
                <div className="muted ellipsis" title={error.text}>
                  {error.code !== null && <span className="mono">{error.code} </span>}
                  {error.text}
                </div>
              </div>
              <span className="muted">
                <Ago at={job.finished_at} />
              </span>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
