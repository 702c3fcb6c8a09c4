/** How many hosts look how, altogether and section by section: the legend and the table beside the map. Pure. */
import type { HostRow } from "@/api/types";
import type { SectionInput } from "@/modules/map/layout";
import { type Colouring, lookOf } from "@/modules/map/looks";

export type Counts = Map<string, number>;

/** Hosts by look; looks nobody has are absent. */
export function census(rows: Iterable<HostRow>, colouring: Colouring): Counts {
  const counts: Counts = new Map();
  for (const row of rows) {
    const { key } = lookOf(row, colouring);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** The ids of all hosts with one look. */
export function withLook(rows: Iterable<HostRow>, colouring: Colouring, key: string): string[] {
  const found: string[] = [];
  for (const row of rows) if (lookOf(row, colouring).key === key) found.push(row.id);
  return found;
}

export interface SectionCensus {
  key: string;
  label: string;
  total: number;
  counts: Counts;
}

export function censusBySection(
  sections: readonly SectionInput[],
  row: (id: string) => HostRow | undefined,
  colouring: Colouring,
): SectionCensus[] {
  return sections.map((section) => {
    const rows = section.ids.map(row).filter((found) => found !== undefined);
    return { key: section.key, label: section.label, total: rows.length, counts: census(rows, colouring) };
  });
}
