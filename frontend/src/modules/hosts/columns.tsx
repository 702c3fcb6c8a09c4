/** The columns of host lists. Every cell watches its own host, so a poll redraws one row and not the table. */
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { HostRow } from "@/api/types";
import { Ago } from "@/components/Ago";
import { SeverityBar } from "@/components/Bars";
import type { Column } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { useNow } from "@/lib/clock";
import { ageDays, untilWords } from "@/lib/time";
import { count, plural, sentence, spaced } from "@/lib/words";
import { osOf } from "@/modules/fleet/filters";
import { useHost } from "@/modules/fleet/store";
import { ACTOR_TONES, HEALTH_TONES, OVERDUE_DAYS } from "@/modules/fleet/words";
import { GroupNames } from "@/modules/hosts/GroupNames";
import { NextCell } from "@/modules/windows/NextCell";

export interface HostRef {
  id: string;
}

/** Draws a part of one host, again whenever that host changes. */
function Live({ id, draw }: { id: string; draw: (row: HostRow) => ReactNode }) {
  const row = useHost(id);
  return row === undefined ? <span className="muted">gone</span> : draw(row);
}

const live = (draw: (row: HostRow) => ReactNode) => (ref: HostRef) => <Live id={ref.id} draw={draw} />;

function health(row: HostRow) {
  const tone = row.actor_state === "quarantined" ? "danger" : HEALTH_TONES[row.health];
  const word = row.actor_state === "quarantined" ? "quarantined" : row.health;
  const said = row.health === "healthy" || row.health_reason === "" ? word : `${word}: ${row.health_reason}`;
  return (
    <span title={said}>
      <Mark tone={tone}>{said}</Mark>
    </span>
  );
}

function patches(row: HostRow) {
  if (row.patches_read_at === null) return <span className="muted">not read yet</span>;
  return (
    <>
      <SeverityBar counts={row.pending_by_severity} width={64} /> {count(row.pending_patches)}
    </>
  );
}

function oldest(row: HostRow) {
  if (row.oldest_security_at === null) return <span className="muted">–</span>;
  const days = ageDays(row.oldest_security_at);
  const age = days === 0 ? "today" : plural(days, "day");
  return days >= OVERDUE_DAYS ? <Mark tone="attention">{age}</Mark> : age;
}

function NextTry({ row }: { row: HostRow }) {
  const now = useNow();
  return (
    <span title={row.activity}>
      Next try {row.next_poll_at === null ? "soon" : untilWords(row.next_poll_at, now)}
    </span>
  );
}

function activity(row: HostRow) {
  if (row.job === null && row.actor_state === "idle") return <span className="muted">Idle</span>;
  if (row.job === null && row.actor_state === "backing_off") return <NextTry row={row} />;
  const words =
    row.job === null
      ? row.activity || spaced(row.actor_state)
      : `${spaced(row.job.state)} ${row.job.progress}%`;
  return (
    <span title={words}>
      <Mark tone={ACTOR_TONES[row.actor_state]}>{sentence(words)}</Mark>
    </span>
  );
}

export const HOST_COLUMNS: readonly Column<HostRef>[] = [
  {
    id: "name",
    title: "Host",
    width: 120,
    grow: 1,
    sortable: true,
    cell: live((row) => <Link to={`/hosts/${row.id}`}>{row.display_name}</Link>),
  },
  { id: "health", title: "Health", width: 210, grow: 6, sortable: true, cell: live(health) },
  {
    id: "address",
    title: "Address",
    width: 112,
    sortable: true,
    cell: live((row) => <span className="mono">{row.address}</span>),
  },
  {
    id: "patches",
    title: "Pending",
    width: 112,
    sortable: true,
    help: "Pending patches by severity, worst first",
    cell: live(patches),
  },
  {
    id: "oldest",
    title: "Oldest security",
    width: 124,
    sortable: true,
    help: "Age of the oldest pending security patch",
    cell: live(oldest),
  },
  {
    id: "cves",
    title: "CVEs",
    width: 64,
    align: "right",
    sortable: true,
    cell: live((row) => count(row.cve_count)),
  },
  {
    id: "reboot",
    title: "Reboot",
    width: 98,
    sortable: true,
    cell: live((row) =>
      row.reboot_hold ? (
        <span title={row.reboot_hold_reason ?? undefined}>
          <Mark tone={row.reboot_required ? "attention" : "unknown"}>on hold</Mark>
        </span>
      ) : row.reboot_required ? (
        <Mark tone="attention">needed</Mark>
      ) : (
        <span className="muted">–</span>
      ),
    ),
  },
  {
    id: "window",
    title: "Window",
    width: 132,
    help: "When it may be touched next, on the clock of its window",
    cell: ({ id }) => <NextCell id={id} />,
  },
  { id: "os", title: "System", width: 120, grow: 1, sortable: true, cell: live(osOf) },
  {
    id: "groups",
    title: "Groups",
    width: 96,
    grow: 1,
    cell: live((row) => <GroupNames ids={row.group_ids} />),
  },
  {
    id: "activity",
    title: "Now",
    width: 134,
    grow: 1,
    sortable: true,
    help: "What the host's actor does",
    cell: live(activity),
  },
  {
    id: "seen",
    title: "Last seen",
    width: 98,
    sortable: true,
    cell: live((row) => <Ago at={row.last_seen_at} />),
  },
  {
    id: "kernel",
    title: "Kernel",
    width: 170,
    sortable: true,
    cell: live((row) => <span className="mono">{row.kernel ?? "–"}</span>),
  },
  { id: "architecture", title: "Arch", width: 84, cell: live((row) => row.architecture ?? "–") },
  { id: "agent", title: "Agent", width: 80, sortable: true, cell: live((row) => row.agent_version ?? "–") },
  { id: "fqdn", title: "FQDN", width: 180, grow: 1, cell: live((row) => row.fqdn ?? "–") },
  { id: "added", title: "Added", width: 100, cell: live((row) => <Ago at={row.created_at} />) },
];

const USUAL = ["name", "health", "address", "patches", "oldest", "reboot", "os", "activity", "seen"];
const USUAL_WIDE = [...USUAL, "window", "cves", "groups", "kernel", "agent"];

/** What is shown until somebody chooses: a wide screen is for more data. */
export function usualColumns(wide: boolean): string[] {
  const usual = wide ? USUAL_WIDE : USUAL;
  return HOST_COLUMNS.map(({ id }) => id).filter((id) => usual.includes(id));
}
