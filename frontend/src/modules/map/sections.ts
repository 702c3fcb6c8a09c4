/** Hosts gathered into the map's sections. Pure. */
import type { Group, HostRow } from "@/api/types";
import { naturally } from "@/lib/words";
import { osOf } from "@/modules/fleet/filters";
import type { SectionInput } from "@/modules/map/layout";

export type Grouping = "group" | "os";

/** A host in several groups is drawn once, in the first of them by name; hosts without one come last. */
export function sectionsOf(rows: Iterable<HostRow>, groups: readonly Group[], by: Grouping): SectionInput[] {
  const names = new Map(groups.map((group) => [group.id, group.name]));
  const found = new Map<string, { label: string; last: boolean; rows: HostRow[] }>();
  for (const row of rows) {
    const place = by === "os" ? osPlace(row) : groupPlace(row, names);
    const section = found.get(place.key) ?? { label: place.label, last: place.last, rows: [] };
    section.rows.push(row);
    found.set(place.key, section);
  }
  return [...found.entries()]
    .sort(([, a], [, b]) => Number(a.last) - Number(b.last) || naturally.compare(a.label, b.label))
    .map(([key, section]) => ({
      key,
      label: section.label,
      ids: section.rows
        .sort((a, b) => naturally.compare(a.display_name, b.display_name) || (a.id < b.id ? -1 : 1))
        .map((row) => row.id),
    }));
}

function osPlace(row: HostRow) {
  const label = osOf(row);
  return { key: label, label: label === "unknown" ? "OS unknown" : label, last: label === "unknown" };
}

function groupPlace(row: HostRow, names: ReadonlyMap<string, string>) {
  const first = row.group_ids
    .map((id) => ({ key: id, label: names.get(id) ?? "Group" }))
    .sort((a, b) => naturally.compare(a.label, b.label))[0];
  return first === undefined ? { key: "none", label: "No group", last: true } : { ...first, last: false };
}
