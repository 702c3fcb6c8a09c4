/** Live numbers of groups, counted over the fleet. Pure. */
import type { HostRow, SeverityCounts } from "@/api/types";
import { SEVERITIES } from "@/components/Bars";
import { isOverdue } from "@/modules/fleet/words";

export interface GroupSummary {
  hosts: number;
  unreachable: number;
  degraded: number;
  overdue: number;
  severity: SeverityCounts;
}

export function emptySummary(): GroupSummary {
  return {
    hosts: 0,
    unreachable: 0,
    degraded: 0,
    overdue: 0,
    severity: { critical: 0, high: 0, medium: 0, low: 0, unknown: 0 },
  };
}

/** Numbers by group id; hosts in no group under `none`. A host in two groups counts in both. */
export function summarise(rows: Iterable<HostRow>): Map<string, GroupSummary> {
  const found = new Map<string, GroupSummary>();
  for (const row of rows) {
    for (const id of row.group_ids.length === 0 ? ["none"] : row.group_ids) {
      const summary = found.get(id) ?? emptySummary();
      summary.hosts += 1;
      if (row.health === "unreachable") summary.unreachable += 1;
      if (row.health === "degraded") summary.degraded += 1;
      if (isOverdue(row)) summary.overdue += 1;
      for (const name of SEVERITIES) summary.severity[name] += row.pending_by_severity[name];
      found.set(id, summary);
    }
  }
  return found;
}
