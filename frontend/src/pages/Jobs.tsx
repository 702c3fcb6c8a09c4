/** How is it going, and what failed and why? */

import { Button, Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { useFailures } from "@/api/queries";
import type { Deployment, Page } from "@/api/types";
import { Ago } from "@/components/Ago";
import { JobBar } from "@/components/Bars";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Empty, Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { useChoice } from "@/lib/url";
import { plural, sentence } from "@/lib/words";
import { AllJobs } from "@/modules/jobs/AllJobs";
import { Causes } from "@/modules/jobs/Causes";
import { markFailuresSeen } from "@/modules/jobs/failures";
import { DEPLOYMENT_TONES, progressWords, whatOf } from "@/modules/jobs/words";
import { useTitle } from "@/modules/shell/title";

const COLUMNS: readonly Column<Deployment>[] = [
  {
    id: "state",
    title: "State",
    width: 120,
    cell: (each) => <Mark tone={DEPLOYMENT_TONES[each.state]}>{each.state}</Mark>,
  },
  {
    id: "what",
    title: "What",
    width: 180,
    grow: 2,
    cell: (each) => (
      <Link to={`/jobs/${each.id}`} title={each.packages?.join(", ")}>
        {sentence(whatOf(each))}
      </Link>
    ),
  },
  { id: "bar", title: "Progress", width: 140, grow: 3, cell: (each) => <JobBar totals={each.totals} /> },
  {
    id: "words",
    title: "Hosts",
    width: 230,
    grow: 3,
    cell: (each) => <span title={progressWords(each.totals)}>{progressWords(each.totals)}</span>,
  },
  {
    id: "when",
    title: "When",
    width: 118,
    cell: (each) =>
      `${each.when === "now" ? "at once" : "in windows"}${each.rings.length > 1 ? `, ${each.rings.length} rings` : ""}`,
  },
  {
    id: "reboot",
    title: "Reboots",
    width: 96,
    cell: (each) => (each.reboot === "never" ? "never" : "if required"),
  },
  { id: "by", title: "By", width: 110, cell: (each) => each.created_by },
  { id: "created", title: "Started", width: 120, cell: (each) => <Ago at={each.created_at} /> },
];

export default function Jobs() {
  useTitle("Jobs");
  const [view, setView] = useChoice("view", ["deployments", "failures", "jobs"]);
  return (
    <div className="page full">
      <Tabs value={view} onChange={(value) => setView(value ?? "deployments")}>
        <Tabs.List>
          <Tabs.Tab value="deployments">Deployments</Tabs.Tab>
          <Tabs.Tab value="failures">Failures by cause</Tabs.Tab>
          <Tabs.Tab value="jobs">All jobs</Tabs.Tab>
        </Tabs.List>
      </Tabs>
      {view === "deployments" && <Deployments />}
      {view === "failures" && <Failures />}
      {view === "jobs" && <AllJobs />}
    </div>
  );
}

function Deployments() {
  const api = useApi();
  const navigate = useNavigate();
  const query = useQuery({
    queryKey: keys.deployments,
    queryFn: ({ signal }) => api.get<Page<Deployment>>("deployments?limit=200", { signal }),
  });
  if (query.isError)
    return <Failure error={query.error} doing="read the deployments" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  if (query.data.items.length === 0) {
    return (
      <Empty
        title="Nothing was deployed yet"
        actions={
          <Button component={Link} to="/deploy">
            Deploy patches
          </Button>
        }
      >
        <p>
          A deployment is one job per host. It shows up here while it runs, and stays with what each host
          answered.
        </p>
      </Empty>
    );
  }
  return (
    <div className="fill">
      <DataTable
        label="Deployments"
        columns={COLUMNS}
        rows={query.data.items}
        onOpen={(each) => void navigate(`/jobs/${each.id}`)}
      />
    </div>
  );
}

function Failures() {
  const query = useFailures();
  useEffect(() => {
    if (query.isSuccess) markFailuresSeen();
  }, [query.isSuccess]);
  if (query.isError)
    return <Failure error={query.error} doing="read the failures" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  const { items, total } = query.data;
  if (items.length === 0) {
    return (
      <Empty title="No job failed">
        <p>
          Failed jobs are tried once more by themselves. What still fails is gathered here by cause, and
          stays.
        </p>
      </Empty>
    );
  }
  const shown =
    total > items.length
      ? `the newest ${items.length} of ${plural(total, "failed job")}`
      : plural(total, "failed job");
  return (
    <Panel title={sentence(shown)}>
      <Causes jobs={items} />
    </Panel>
  );
}
