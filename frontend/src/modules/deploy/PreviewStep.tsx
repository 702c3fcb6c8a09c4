/** Step four: exactly what would happen, exceptions first. */

import { Checkbox, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "react-router";
import type { DeploymentPreview, PreviewHost } from "@/api/types";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { count, plural } from "@/lib/words";
import classes from "@/modules/deploy/Deploy.module.css";
import { excludedWords, namesOf, type Plan } from "@/modules/deploy/plan";

type Row = PreviewHost & { id: string; ringName: string };

const COLUMNS: readonly Column<Row>[] = [
  {
    id: "host",
    title: "Host",
    width: 150,
    grow: 1,
    cell: (row) => <Link to={`/hosts/${row.host_id}`}>{row.display_name}</Link>,
  },
  {
    id: "exception",
    title: "Exception",
    width: 160,
    grow: 2,
    cell: (row) =>
      row.problem === null ? (
        <span className="muted">none</span>
      ) : (
        <span title={row.problem}>
          <Mark tone="attention">{row.problem}</Mark>
        </span>
      ),
  },
  { id: "count", title: "Updates", width: 86, align: "right", cell: (row) => count(row.packages.length) },
  {
    id: "packages",
    title: "Packages",
    width: 220,
    grow: 3,
    cell: (row) => <span title={row.packages.map((each) => each.name).join(", ")}>{namesOf(row)}</span>,
  },
  {
    id: "excluded",
    title: "Left out",
    width: 86,
    align: "right",
    cell: (row) => <span title={excludedWords(row)}>{count(row.excluded.length)}</span>,
  },
  {
    id: "reboot",
    title: "Reboot",
    width: 90,
    cell: (row) =>
      row.will_reboot ? (
        <Mark tone="attention">reboots</Mark>
      ) : (
        <span className="muted" title={row.reboot_hold ?? undefined}>
          {row.reboot_hold === null ? "no" : "on hold"}
        </span>
      ),
  },
  { id: "ring", title: "Ring", width: 84, cell: (row) => row.ringName },
  { id: "runs", title: "Runs", width: 130, grow: 2, cell: (row) => <span title={row.runs}>{row.runs}</span> },
];

/** Rows of the hosts; with rings each says its own, and when that lets it run. */
function inRings(hosts: readonly PreviewHost[], ringed: DeploymentPreview | undefined): Row[] {
  const found = new Map(ringed?.hosts.map((host) => [host.host_id, host]));
  return hosts.map((host) => {
    const known = found.get(host.host_id) ?? host;
    return { ...known, id: host.host_id, ringName: ringed?.rings[known.ring]?.name ?? "" };
  });
}

interface Props {
  plan: Plan | undefined;
  /** The same hosts in their rings; undefined without any. */
  ringed: DeploymentPreview | undefined;
  error: unknown;
  retry: () => void;
  leaveOut: boolean;
  onLeaveOut: (leaveOut: boolean) => void;
}

export function PreviewStep({ plan, ringed, error, retry, leaveOut, onLeaveOut }: Props) {
  const rows = useMemo(
    () =>
      inRings(plan?.hosts ?? [], ringed).sort(
        (a, b) =>
          Number(b.problem !== null) - Number(a.problem !== null) ||
          a.ring - b.ring ||
          Number(b.will_reboot) - Number(a.will_reboot),
      ),
    [plan, ringed],
  );
  const visible = useMemo(
    () => ({ ring: ringed !== undefined, excluded: (plan?.excluded ?? 0) > 0 }),
    [ringed, plan],
  );
  return (
    <Panel
      title={
        <>
          <span className={classes.number}>4</span>Preview
        </>
      }
    >
      <div className={classes.body}>
        {error !== null && <Failure error={error} doing="work out the preview" retry={retry} />}
        {plan !== undefined && plan.problems.length > 0 && (
          <Checkbox
            size="xs"
            checked={leaveOut}
            onChange={(event) => onLeaveOut(event.currentTarget.checked)}
            label={`Leave out the ${plural(plan.problems.length, "host")} with an exception`}
          />
        )}
        {plan !== undefined && plan.idle.length > 0 && (
          <p className="muted">
            {plural(plan.idle.length, "chosen host")} {plan.idle.length === 1 ? "has" : "have"} nothing of
            this to do and {plan.idle.length === 1 ? "is" : "are"} left out.
          </p>
        )}
        <div className={classes.list}>
          {plan === undefined && error === null ? (
            <Skeleton className="fill" />
          ) : (
            <DataTable
              label="Preview"
              columns={COLUMNS}
              visible={visible}
              rows={rows}
              nothing="No host would get a job."
            />
          )}
        </div>
      </div>
    </Panel>
  );
}
