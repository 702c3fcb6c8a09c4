/** Columns of a table of windows. */
import { Link } from "react-router";
import type { MaintenanceWindow } from "@/api/types";
import type { Column } from "@/components/DataTable";
import { Mark, type Tone } from "@/components/Mark";
import { relative } from "@/lib/time";
import { exactIn, shortIn } from "@/lib/zones";
import { minutesWords, ruleWords } from "@/modules/windows/rule";
import { type WindowState, windowState } from "@/modules/windows/words";

export const STATE_TONES: Record<WindowState, Tone> = {
  open: "working",
  enabled: "healthy",
  disabled: "unknown",
  over: "attention",
};

export const STATE_WORDS: Record<WindowState, string> = {
  open: "open now",
  enabled: "enabled",
  disabled: "disabled",
  over: "never opens again",
};

/** When it opens next, on the clock of its zone. */
function Next({ window }: { window: MaintenanceWindow }) {
  if (window.next_opens_at === null) return <span className="muted">never</span>;
  return (
    <span
      title={`${exactIn(Date.parse(window.next_opens_at), window.timezone)}, ${relative(window.next_opens_at)}`}
    >
      {shortIn(Date.parse(window.next_opens_at), window.timezone)}
    </span>
  );
}

export const WINDOW_COLUMNS: readonly Column<MaintenanceWindow>[] = [
  {
    id: "host",
    title: "Host",
    width: 120,
    grow: 1,
    sortable: true,
    cell: (row) => <Link to={`/hosts/${row.host_id}?tab=windows`}>{row.host_name}</Link>,
  },
  {
    id: "name",
    title: "Name",
    width: 120,
    grow: 1,
    sortable: true,
    cell: (row) =>
      row.name === "" ? <span className="muted">unnamed</span> : <span title={row.name}>{row.name}</span>,
  },
  {
    id: "rule",
    title: "Opens",
    width: 196,
    grow: 3,
    cell: (row) => <span title={ruleWords(row)}>{ruleWords(row)}</span>,
  },
  { id: "zone", title: "Zone", width: 124, grow: 1, sortable: true, cell: (row) => row.timezone },
  {
    id: "duration",
    title: "For",
    width: 80,
    align: "right",
    cell: (row) => minutesWords(row.duration_minutes),
  },
  {
    id: "cutoff",
    title: "Cutoff",
    width: 76,
    align: "right",
    help: "Nothing starts this long before it closes",
    cell: (row) =>
      row.cutoff_minutes === 0 ? <span className="muted">none</span> : minutesWords(row.cutoff_minutes),
  },
  {
    id: "next",
    title: "Next opening there",
    width: 164,
    grow: 2,
    sortable: true,
    help: "On the clock of its zone",
    cell: (row) => <Next window={row} />,
  },
  {
    id: "state",
    title: "State",
    width: 118,
    cell: (row) => {
      const state = windowState(row);
      return <Mark tone={STATE_TONES[state]}>{STATE_WORDS[state]}</Mark>;
    },
  },
];
