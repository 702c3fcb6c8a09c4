/** All groups with how they are doing, live. */
import { type ReactNode, useMemo } from "react";
import { Link, useNavigate } from "react-router";
import type { Group } from "@/api/types";
import { SeverityBar } from "@/components/Bars";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark, type Tone } from "@/components/Mark";
import { count, naturally } from "@/lib/words";
import { useFleet, useFleetVersion } from "@/modules/fleet/store";
import { emptySummary, type GroupSummary, summarise } from "@/modules/groups/summary";

type Row = Group & { summary: GroupSummary };

function some(number: number, tone: Tone): ReactNode {
  return number === 0 ? <span className="muted">0</span> : <Mark tone={tone}>{count(number)}</Mark>;
}

const COLUMNS: readonly Column<Row>[] = [
  {
    id: "name",
    title: "Group",
    width: 160,
    grow: 2,
    cell: (row) => <Link to={row.id === "none" ? "/hosts?group=none" : `/groups/${row.id}`}>{row.name}</Link>,
  },
  { id: "hosts", title: "Hosts", width: 80, align: "right", cell: (row) => count(row.summary.hosts) },
  {
    id: "unreachable",
    title: "Unreachable",
    width: 110,
    cell: (row) => some(row.summary.unreachable, "danger"),
  },
  { id: "degraded", title: "Degraded", width: 100, cell: (row) => some(row.summary.degraded, "attention") },
  {
    id: "overdue",
    title: "Overdue security",
    width: 140,
    cell: (row) => some(row.summary.overdue, "attention"),
  },
  {
    id: "patches",
    title: "Pending by severity",
    width: 160,
    grow: 1,
    cell: (row) => <SeverityBar counts={row.summary.severity} width={120} />,
  },
  {
    id: "users",
    title: "Users",
    width: 72,
    align: "right",
    cell: (row) => (row.id === "none" ? "" : count(row.user_count)),
  },
  { id: "description", title: "Description", width: 180, grow: 3, cell: (row) => row.description },
];

export function GroupList({ groups }: { groups: readonly Group[] }) {
  const fleet = useFleet();
  const version = useFleetVersion(1_000);
  const navigate = useNavigate();
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const rows = useMemo(() => {
    const summaries = summarise(fleet.rows.values());
    const found: Row[] = [...groups]
      .sort((a, b) => naturally.compare(a.name, b.name))
      .map((group) => ({ ...group, summary: summaries.get(group.id) ?? emptySummary() }));
    const none = summaries.get("none");
    if (none !== undefined) {
      found.push({
        id: "none",
        name: "In no group",
        description: "Every operator sees and patches these.",
        max_unavailable: null,
        host_count: none.hosts,
        user_count: 0,
        created_at: "",
        summary: none,
      });
    }
    return found;
  }, [fleet, groups, version]);
  return (
    <DataTable
      label="Groups"
      columns={COLUMNS}
      rows={rows}
      onOpen={(row) => void navigate(row.id === "none" ? "/hosts?group=none" : `/groups/${row.id}`)}
    />
  );
}
