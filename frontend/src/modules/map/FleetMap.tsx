/**
 * The fleet map: every host one cell. For the mouse a canvas (click opens, drag selects); for the keyboard and screen
 * readers a listbox whose one option is the host in focus, since 2,500 real options would cost more than they tell.
 */

import { useElementSize } from "@mantine/hooks";
import {
  type KeyboardEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Group } from "@/api/types";
import { severityWords } from "@/components/Bars";
import { count, spaced } from "@/lib/words";
import { type Ids, useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useFleet, useHost } from "@/modules/fleet/store";
import classes from "@/modules/map/FleetMap.module.css";
import { HostCard } from "@/modules/map/HostCard";
import { cellAt, cellsIn, cornerOf, labelAt, layOut, type Step, step } from "@/modules/map/layout";
import { type Colouring, lookOf } from "@/modules/map/looks";
import { type Grouping, sectionsOf } from "@/modules/map/sections";
import { useMapPainter } from "@/modules/map/useMapPainter";

const DRAG_FROM = 4;
const STEPS = new Set([
  "ArrowLeft",
  "ArrowRight",
  "ArrowUp",
  "ArrowDown",
  "Home",
  "End",
  "PageUp",
  "PageDown",
]);

interface Props {
  groups: readonly Group[];
  by: Grouping;
  colouring: Colouring;
  onOpen: (id: string) => void;
  onDeploy: (ids: Ids) => void;
}

interface Point {
  x: number;
  y: number;
}

export function FleetMap({ groups, by, colouring, onOpen, onDeploy }: Props) {
  const fleet = useFleet();
  const selection = useSelection();
  const selected = useSelectedIds();
  const { ref: frame, width, height } = useElementSize();
  const cells = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const listbox = useRef<HTMLDivElement>(null);
  const [generation, setGeneration] = useState(0);
  const [focus, setFocus] = useState(-1);
  const [focused, setFocused] = useState(false);
  const [hover, setHover] = useState<(Point & { position: number }) | null>(null);
  const [drag, setDrag] = useState<{ from: Point; to: Point; keep: Ids } | null>(null);
  const pressed = useRef<Point | null>(null);

  // `generation` stands for the fleet's membership, which the store does not tell by identity.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const sections = useMemo(
    () => sectionsOf(fleet.rows.values(), groups, by),
    [fleet, groups, by, generation],
  );
  const layout = useMemo(
    () => layOut(sections, Math.max(120, Math.floor(width) - 6), Math.max(80, Math.floor(height) - 6)),
    [sections, width, height],
  );
  const onMembership = useCallback(() => setGeneration((value) => value + 1), []);
  const mark = useMapPainter({ cells, marks, fleet, layout, colouring, onMembership });

  useEffect(() => {
    const { from, to } = drag ?? {};
    mark({
      selected,
      focus: focused ? focus : -1,
      hover: drag === null ? (hover?.position ?? -1) : -1,
      drag: from === undefined || to === undefined ? null : { ax: from.x, ay: from.y, bx: to.x, by: to.y },
    });
  }, [mark, selected, focus, focused, hover, drag]);

  const pointOf = (event: PointerEvent<HTMLDivElement>): Point => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  const moved = (event: PointerEvent<HTMLDivElement>) => {
    const point = pointOf(event);
    const from = pressed.current;
    if (from !== null && (drag !== null || Math.hypot(point.x - from.x, point.y - from.y) > DRAG_FROM)) {
      const keep =
        drag?.keep ?? (event.shiftKey || event.ctrlKey || event.metaKey ? selected : new Set<string>());
      setDrag({ from, to: point, keep });
      selection.set(new Set([...keep, ...cellsIn(layout, from.x, from.y, point.x, point.y)]));
      setHover(null);
      return;
    }
    const position = cellAt(layout, point.x, point.y);
    setHover(position < 0 ? null : { position, ...point });
  };

  const released = (event: PointerEvent<HTMLDivElement>) => {
    const from = pressed.current;
    pressed.current = null;
    setDrag(null);
    if (from === null || drag !== null) return;
    const id = layout.ids[cellAt(layout, from.x, from.y)];
    const adding = event.shiftKey || event.ctrlKey || event.metaKey;
    if (id !== undefined) {
      if (adding) selection.toggle(id);
      else onOpen(id);
      return;
    }
    const section = labelAt(layout, from.x, from.y);
    if (section !== undefined) selection.set(new Set([...(adding ? selected : []), ...section.ids]));
    else selection.clear();
  };

  const keyed = (event: KeyboardEvent<HTMLDivElement>) => {
    const id = layout.ids[focus];
    setFocused(true);
    if (STEPS.has(event.key)) {
      const next = step(layout, Math.max(0, focus), event.key as Step);
      setFocus(next);
      const target = layout.ids[next];
      if (event.shiftKey && target !== undefined) selection.add(id === undefined ? [target] : [id, target]);
    } else if (event.key === " " || event.key === "x") {
      if (id !== undefined) selection.toggle(id);
    } else if (event.key === "Enter") {
      if (selected.size > 0) onDeploy(selected);
      else if (id !== undefined) onOpen(id);
    } else if (event.key === "Escape") {
      selection.clear();
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      selection.set(new Set(layout.ids));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const hovered = hover === null ? undefined : layout.ids[hover.position];
  const current = layout.ids[focus];
  /** The host to tell about, and where in the window: under the pointer, else in the keyboard's focus. */
  const card = (() => {
    const box = listbox.current?.getBoundingClientRect();
    if (box === undefined) return null;
    if (hover !== null && hovered !== undefined)
      return { id: hovered, x: box.left + hover.x, y: box.top + hover.y };
    if (!focused || current === undefined) return null;
    const corner = cornerOf(layout, focus);
    return { id: current, x: box.left + corner.x + layout.cell, y: box.top + corner.y };
  })();
  return (
    <div ref={frame} className={classes.frame}>
      <div
        ref={listbox}
        className={classes.listbox}
        role="listbox"
        tabIndex={0}
        aria-multiselectable="true"
        aria-label={`Fleet map, ${count(layout.ids.length)} hosts. Arrow keys move, Space selects, Enter deploys to the selection or opens the host.`}
        aria-activedescendant={current === undefined ? undefined : "map-option"}
        data-testid="fleet-map"
        style={{ height: Math.max(layout.height, height - 6) }}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          pressed.current = pointOf(event);
          setFocused(false);
          setFocus(cellAt(layout, pressed.current.x, pressed.current.y));
        }}
        onPointerMove={moved}
        onPointerUp={released}
        onPointerLeave={() => setHover(null)}
        onFocus={(event) => {
          if (!event.currentTarget.matches(":focus-visible")) return;
          setFocused(true);
          setFocus((value) => Math.max(0, value));
        }}
        onBlur={() => setFocused(false)}
        onKeyDown={keyed}
      >
        <canvas ref={cells} />
        <canvas ref={marks} />
        {current !== undefined && (
          <FocusedHost
            id={current}
            colouring={colouring}
            position={focus}
            total={layout.ids.length}
            selected={selected.has(current)}
          />
        )}
      </div>
      {drag === null && card !== null && <HostCard id={card.id} groups={groups} x={card.x} y={card.y} />}
    </div>
  );
}

interface FocusedProps {
  id: string;
  colouring: Colouring;
  position: number;
  total: number;
  selected: boolean;
}

/** The one option a screen reader meets. */
function FocusedHost({ id, colouring, position, total, selected }: FocusedProps) {
  const row = useHost(id);
  if (row === undefined) return null;
  const words = [
    row.display_name,
    row.address,
    lookOf(row, colouring).word,
    severityWords(row.pending_by_severity),
  ];
  if (row.job !== null) words.push(`job ${spaced(row.job.state)} ${row.job.progress}%`);
  return (
    <div
      id="map-option"
      role="option"
      tabIndex={-1}
      className="visually-hidden"
      aria-selected={selected}
      aria-setsize={total}
      aria-posinset={position + 1}
    >
      {words.join(", ")}
    </div>
  );
}
