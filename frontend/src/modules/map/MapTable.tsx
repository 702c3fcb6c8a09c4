/** The fleet map in numbers: a row for each section, a column for each look. */
import { useMemo } from "react";
import type { Group } from "@/api/types";
import { count } from "@/lib/words";
import { useFleet, useFleetVersion } from "@/modules/fleet/store";
import { censusBySection } from "@/modules/map/census";
import { type Colouring, LEGENDS } from "@/modules/map/looks";
import classes from "@/modules/map/MapTable.module.css";
import { Swatch } from "@/modules/map/Swatch";
import { type Grouping, sectionsOf } from "@/modules/map/sections";

interface Props {
  groups: readonly Group[];
  by: Grouping;
  colouring: Colouring;
}

export function MapTable({ groups, by, colouring }: Props) {
  const fleet = useFleet();
  const version = useFleetVersion(1_000);
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const sections = useMemo(
    () => censusBySection(sectionsOf(fleet.rows.values(), groups, by), (id) => fleet.row(id), colouring),
    [fleet, groups, by, colouring, version],
  );
  const looks = LEGENDS[colouring];
  return (
    <div className={classes.scroll}>
      <table className={classes.table} aria-label="Fleet map in numbers">
        <thead>
          <tr>
            <th scope="col">{by === "os" ? "System" : "Group"}</th>
            <th scope="col">Hosts</th>
            {looks.map((look) => (
              <th key={look.key} scope="col">
                <Swatch look={look} /> {look.word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sections.map((section) => (
            <tr key={section.key}>
              <th scope="row">{section.label}</th>
              <td>{count(section.total)}</td>
              {looks.map((look) => {
                const number = section.counts.get(look.key) ?? 0;
                return (
                  <td key={look.key} data-zero={number === 0}>
                    {count(number)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
