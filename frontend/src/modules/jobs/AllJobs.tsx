/** Every job of every host, filtered by the server: by state, operation, host and time. */
import { Button, Select, Skeleton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";
import { Chip } from "@/components/Chip";
import { Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { useQueryParams } from "@/lib/url";
import { count, plural, spaced } from "@/lib/words";
import { JOB_TONES } from "@/modules/fleet/words";
import {
  type JobFilter,
  jobFilterFrom,
  jobFilterInto,
  OPERATIONS,
  type OperationWord,
  SPANS,
  type SpanWord,
  STATES,
} from "@/modules/jobs/filter";
import { JobDrawer } from "@/modules/jobs/JobDrawer";
import { JobTable } from "@/modules/jobs/JobTable";
import { useJobs } from "@/modules/jobs/useJobs";

const TYPING = 250;
const options = (words: Record<string, string>) =>
  Object.entries(words).map(([value, label]) => ({ value, label }));

export function AllJobs() {
  const [params, update] = useQueryParams();
  const filter = useMemo(() => jobFilterFrom(params), [params]);
  const [asked] = useDebouncedValue(filter, TYPING);
  const { query, rows, total, more } = useJobs(asked);
  const set = (changes: Partial<JobFilter>) =>
    update((before) => jobFilterInto(before, { ...filter, ...changes }));
  const filtered = jobFilterInto(new URLSearchParams(), filter).size > 0;
  return (
    <>
      <div className={page.toolbar} role="search">
        <SearchField
          label="Search jobs"
          placeholder="Host, address, message"
          value={filter.q}
          onChange={(q) => set({ q })}
        />
        {STATES.map((state) => (
          <Chip
            key={state}
            on={filter.state.includes(state)}
            tone={JOB_TONES[state]}
            onToggle={() =>
              set({
                state: filter.state.includes(state)
                  ? filter.state.filter((other) => other !== state)
                  : [...filter.state, state],
              })
            }
          >
            {spaced(state)}
          </Chip>
        ))}
        <Select
          size="xs"
          w={140}
          aria-label="Operation"
          placeholder="Any operation"
          clearable
          data={options(OPERATIONS)}
          value={filter.operation}
          onChange={(operation) => set({ operation: operation as OperationWord | null })}
        />
        <Select
          size="xs"
          w={140}
          aria-label="Time"
          placeholder="Any time"
          clearable
          data={options(SPANS)}
          value={filter.days}
          onChange={(days) => set({ days: days as SpanWord | null })}
        />
        {filtered && (
          <Button variant="subtle" onClick={() => set({ q: "", state: [], operation: null, days: null })}>
            Clear filters
          </Button>
        )}
      </div>
      <span role="status">
        {total === undefined
          ? "…"
          : rows.length < total
            ? `The newest ${count(rows.length)} of ${plural(total, "job")}`
            : plural(total, "job")}
      </span>
      {query.isError && (
        <Failure error={query.error} doing="read the jobs" retry={() => void query.refetch()} />
      )}
      {query.isPending ? (
        <Skeleton className="fill" />
      ) : (
        <div className="fill">
          <JobTable
            jobs={rows}
            everyColumn
            onEnd={more}
            nothing={
              filtered ? "No job matches. Clear a filter to see more." : "Nothing was done on any host yet."
            }
          />
        </div>
      )}
      <JobDrawer />
    </>
  );
}
