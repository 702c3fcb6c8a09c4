/** The fleet map with its controls; what it shows is in the URL, the legend counts and selects. */

import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { useNavigate } from "react-router";
import { useGroups, useGroupsQuery } from "@/api/queries";
import page from "@/components/page.module.css";
import { useKeys } from "@/lib/keyboard";
import { useChoice } from "@/lib/url";
import { count, plural } from "@/lib/words";
import { type Ids, toFragment, useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useFleet, useFleetLoaded, useFleetVersion } from "@/modules/fleet/store";
import { census, withLook } from "@/modules/map/census";
import { FleetMap } from "@/modules/map/FleetMap";
import { type Colouring, LEGENDS } from "@/modules/map/looks";
import classes from "@/modules/map/MapPanel.module.css";
import { MapTable } from "@/modules/map/MapTable";
import { Swatch } from "@/modules/map/Swatch";
import type { Grouping } from "@/modules/map/sections";

const COLOURINGS = [
  { value: "health", label: "Health" },
  { value: "age", label: "Patch age" },
  { value: "job", label: "Jobs" },
];
const GROUPINGS = [
  { value: "group", label: "Group" },
  { value: "os", label: "OS" },
];
const VIEWS = [
  { value: "map", label: "Map" },
  { value: "table", label: "Table" },
];

export function MapPanel() {
  const fleet = useFleet();
  const loaded = useFleetLoaded();
  const version = useFleetVersion();
  const groups = useGroups();
  // Drawn before the groups' names are there, everything would move a moment later.
  const ready = !useGroupsQuery().isPending && loaded;
  const navigate = useNavigate();
  const selection = useSelection();
  const selected = useSelectedIds();
  const [colouring, setColouring] = useChoice<Colouring>("colour", ["health", "age", "job"]);
  const [by, setBy] = useChoice<Grouping>("by", ["group", "os"]);
  const [view, setView] = useChoice<"map" | "table">("view", ["map", "table"]);
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const counts = useMemo(() => census(fleet.rows.values(), colouring), [fleet, colouring, version]);
  const deploy = (ids: Ids) => void navigate(`/deploy${toFragment(ids, fleet.rows.keys())}`);
  useKeys({
    Enter: (event) => {
      const free = event.target === document.body || (event.target as HTMLElement).id === "content";
      if (free && selected.size > 0) deploy(selected);
    },
    Escape: () => selection.clear(),
  });

  return (
    <section className={classes.panel} aria-label="Fleet map">
      <div className={page.toolbar}>
        <h2>Fleet map</h2>
        <SegmentedControl
          size="xs"
          aria-label="Colour by"
          value={colouring}
          onChange={setColouring}
          data={COLOURINGS}
        />
        <SegmentedControl size="xs" aria-label="Arrange by" value={by} onChange={setBy} data={GROUPINGS} />
        <SegmentedControl size="xs" aria-label="View as" value={view} onChange={setView} data={VIEWS} />
        <div className={page.spacer} />
        {selected.size > 0 ? (
          <>
            <span role="status">{plural(selected.size, "host")} selected</span>
            <Button onClick={() => deploy(selected)} data-testid="map-deploy">
              Deploy
            </Button>
            <Button variant="default" onClick={() => void navigate("/hosts?only=selected")}>
              Show in list
            </Button>
            <Button variant="subtle" onClick={() => selection.clear()}>
              Clear
            </Button>
          </>
        ) : (
          view === "map" && <span className="muted">Drag to select, click to open</span>
        )}
      </div>
      <div className={classes.legend} role="group" aria-label="Select hosts by look">
        {LEGENDS[colouring].map((look) => {
          const number = counts.get(look.key) ?? 0;
          return (
            <button
              key={look.key}
              type="button"
              className={classes.key}
              data-zero={number === 0}
              disabled={number === 0}
              title={`Select ${plural(number, "host")}`}
              onClick={() => selection.set(new Set(withLook(fleet.rows.values(), colouring, look.key)))}
            >
              <Swatch look={look} />
              {look.word}
              <b>{count(number)}</b>
            </button>
          );
        })}
      </div>
      {!ready ? (
        <Skeleton className={classes.skeleton} />
      ) : view === "map" ? (
        <FleetMap
          groups={groups}
          by={by}
          colouring={colouring}
          onOpen={(id) => void navigate(`/hosts/${id}`)}
          onDeploy={deploy}
        />
      ) : (
        <MapTable groups={groups} by={by} colouring={colouring} />
      )}
    </section>
  );
}
