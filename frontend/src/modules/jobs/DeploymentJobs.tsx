/** The jobs of one deployment, host by host: failures by cause above, then a table that the server filters. */

import { Button, Select, Skeleton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Deployment, Job, JobState, Page } from "@/api/types";
import { Chip } from "@/components/Chip";
import { Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { useHeldOrder } from "@/lib/heldOrder";
import { useParam } from "@/lib/url";
import { count, plural, spaced } from "@/lib/words";
import { JOB_TONES } from "@/modules/fleet/words";
import { Causes } from "@/modules/jobs/Causes";
import { STATES } from "@/modules/jobs/filter";
import { JobTable } from "@/modules/jobs/JobTable";
import { useDeploymentJobs } from "@/modules/jobs/useJobs";

const TYPING = 250;
const MOST_CAUSES = 500;

export function DeploymentJobs({ deployment }: { deployment: Deployment }) {
  const [wanted, setState] = useParam("state");
  const [text, setText] = useParam("q");
  const [ringText, setRing] = useParam("ring");
  const [search] = useDebouncedValue(text.trim(), TYPING);
  const state: JobState | null = STATES.find((each) => each === wanted) ?? null;
  const ring = /^\d+$/.test(ringText) ? Number(ringText) : null;
  const { query, rows, more } = useDeploymentJobs(deployment.id, state, search, ring);
  const list = useHeldOrder(rows, `${state} ${search} ${ring}`);
  return (
    <>
      <WhyFailed deployment={deployment} />
      <div className={page.toolbar} role="search">
        <SearchField
          label="Search jobs"
          placeholder="Host, address, message"
          value={text}
          onChange={setText}
        />
        {STATES.filter((each) => deployment.totals[each] > 0 || each === state).map((each) => (
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
        {deployment.rings.length > 1 && (
          <Select
            size="xs"
            w={150}
            aria-label="Ring"
            placeholder="Any ring"
            clearable
            data={deployment.rings.map((each, index) => ({
              value: String(index),
              label: `${each.name} (${count(each.hosts)})`,
            }))}
            value={ring === null ? null : String(ring)}
            onChange={(value) => setRing(value ?? "")}
          />
        )}
        {list.pending > 0 && (
          <Button variant="light" size="compact-sm" onClick={list.update}>
            {plural(list.pending, "row")} moved: update
          </Button>
        )}
      </div>
      {query.isError && (
        <Failure error={query.error} doing="read the jobs" retry={() => void query.refetch()} />
      )}
      {query.isPending ? (
        <Skeleton className="fill" />
      ) : (
        <div className="fill" onPointerEnter={() => list.hold(true)} onPointerLeave={() => list.hold(false)}>
          <JobTable
            jobs={list.rows}
            onEnd={more}
            nothing={query.hasNextPage || query.isFetching ? "Reading…" : "No job matches."}
          />
        </div>
      )}
    </>
  );
}

/** What failed, by cause. Asked for by itself: it is not to wait for the rows of 2,500 hosts. */
function WhyFailed({ deployment }: { deployment: Deployment }) {
  const api = useApi();
  const number = deployment.totals.failed + deployment.totals.outcome_unknown;
  const query = useQuery({
    queryKey: [...keys.deploymentFailures(deployment.id), number],
    queryFn: ({ signal }) =>
      api.get<Page<Job>>(
        `jobs?deployment_id=${deployment.id}&state=failed,outcome_unknown&limit=${MOST_CAUSES}`,
        { signal },
      ),
    enabled: number > 0,
    placeholderData: (before) => before,
  });
  if (number === 0 || query.data === undefined || query.data.items.length === 0) return null;
  return (
    <Panel title={`Why ${plural(number, "host")} failed`}>
      <Causes jobs={query.data.items} />
    </Panel>
  );
}
