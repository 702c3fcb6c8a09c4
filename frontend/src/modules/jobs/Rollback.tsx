/** Undoing a finished job through its agent: first what that would do, and what nobody can promise. */

import { Button, Checkbox, Skeleton, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { JobDetail, RollbackPreview } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { Failure, Notice } from "@/components/Notice";
import { plural, sentence } from "@/lib/words";
import classes from "@/modules/jobs/jobs.module.css";
import { AT_ONCE, operationWord, useOperations } from "@/modules/jobs/operations";
import { WhenChoice } from "@/modules/jobs/WhenChoice";

export function RollbackButton({ job }: { job: JobDetail }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        Roll back…
      </Button>
      {open && <RollbackDialog job={job} onClose={() => setOpen(false)} />}
    </>
  );
}

function RollbackDialog({ job, onClose }: { job: JobDetail; onClose: () => void }) {
  const api = useApi();
  const { rollback } = useOperations();
  const [terms, setTerms] = useState(AT_ONCE);
  const [sure, setSure] = useState(false);
  const query = useQuery({
    queryKey: keys.rollback(job.id),
    queryFn: ({ signal }) => api.get<RollbackPreview>(`jobs/${job.id}/rollback`, { signal }),
    staleTime: 0,
  });
  const preview = query.data;
  const ready = preview?.possible === true && (!preview.needs_confirmation || sure);
  return (
    <Confirm
      title={`Roll back the ${operationWord(job.operation)} on ${job.host_name}?`}
      label="Roll back"
      danger
      disabled={!ready}
      onClose={onClose}
      onConfirm={async () => {
        await rollback(job.id, { ...terms, confirm_adopted: sure });
        onClose();
      }}
    >
      {query.isError && (
        <Failure error={query.error} doing="ask what it would undo" retry={() => void query.refetch()} />
      )}
      {query.isPending && <Skeleton height={180} />}
      {preview !== undefined && <Preview preview={preview} />}
      {preview?.needs_confirmation === true && (
        <Checkbox
          checked={sure}
          onChange={(event) => setSure(event.currentTarget.checked)}
          label="Roll it back although it may be somebody else's work"
        />
      )}
      {preview?.possible === true && <WhenChoice host={job.host_id} terms={terms} onTerms={setTerms} />}
    </Confirm>
  );
}

const CHANGES = { downgrade: "goes back", remove: "is removed", reinstall: "is installed again" } as const;

function Preview({ preview }: { preview: RollbackPreview }) {
  if (preview.why_not !== null)
    return (
      <Notice tone="attention" title="This cannot be rolled back">
        {sentence(preview.why_not)}.
      </Notice>
    );
  return (
    <Stack gap="sm">
      {preview.packages.length === 0 ? (
        <p>The agent undoes this job; as far as is known it changed no package.</p>
      ) : (
        <>
          <p>The agent undoes its job; {plural(preview.packages.length, "package")} as far as is known:</p>
          <table className={classes.table}>
            <thead>
              <tr>
                <th>Package</th>
                <th>What happens</th>
                <th>Versions</th>
              </tr>
            </thead>
            <tbody>
              {preview.packages.map((each) => (
                <tr key={each.name}>
                  <td>{each.name}</td>
                  <td>{CHANGES[each.change]}</td>
                  <td className="mono">
                    {each.from_version ?? "–"} <span className={classes.arrow}>→</span>{" "}
                    {each.to_version ?? "–"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      <ul className={classes.warnings}>
        {preview.warnings.map((warning) => (
          <li key={warning}>{sentence(warning)}.</li>
        ))}
      </ul>
    </Stack>
  );
}
