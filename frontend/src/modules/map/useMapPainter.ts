/** Keeps the two canvases of the fleet map up to date, drawing at most once per animation frame. */

import { useComputedColorScheme } from "@mantine/core";
import { type RefObject, useCallback, useEffect, useRef } from "react";
import type { FleetStore } from "@/modules/fleet/store";
import type { Layout } from "@/modules/map/layout";
import type { Colouring } from "@/modules/map/looks";
import { type Marks, type Palette, paintAll, paintCells, paintMarks, readPalette } from "@/modules/map/paint";

const MARGIN = 4; // room for the rings of cells at the edges

function fitted(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round((width + 2 * MARGIN) * ratio), Math.round((height + 2 * MARGIN) * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width + 2 * MARGIN}px`;
    canvas.style.height = `${height + 2 * MARGIN}px`;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, MARGIN * ratio, MARGIN * ratio);
  return context;
}

interface Wanted {
  cells: RefObject<HTMLCanvasElement | null>;
  marks: RefObject<HTMLCanvasElement | null>;
  fleet: FleetStore;
  layout: Layout;
  colouring: Colouring;
  /** Called when hosts came, went or moved between sections. */
  onMembership: () => void;
}

/** Returns a function that redraws the marks (selection, focus, hover, drag) at the next frame. */
export function useMapPainter({ cells, marks, fleet, layout, colouring, onMembership }: Wanted) {
  const scheme = useComputedColorScheme();
  const palette = useRef<Palette | null>(null);
  const frame = useRef(0);
  const dirty = useRef<Set<number> | "all">("all");
  const current = useRef<Marks>({ selected: new Set(), focus: -1, hover: -1, drag: null });

  const draw = useCallback(() => {
    frame.current = 0;
    const [below, above] = [cells.current, marks.current];
    if (below === null || above === null) return;
    palette.current ??= readPalette(below);
    const context = fitted(below, layout.width, layout.height);
    const scene = { layout, colouring, palette: palette.current, row: (id: string) => fleet.row(id) };
    if (context !== null) {
      if (dirty.current === "all") {
        paintAll(context, scene, getComputedStyle(below).fontFamily);
        if (layout.ids.length > 0) performance.mark("fleet-map"); // for benchmarks and the browser's own tools
      } else paintCells(context, scene, dirty.current);
    }
    dirty.current = new Set();
    const over = fitted(above, layout.width, layout.height);
    if (over !== null) paintMarks(over, layout, current.current, palette.current);
  }, [cells, marks, layout, colouring, fleet]);

  const schedule = useCallback(() => {
    if (frame.current === 0) frame.current = requestAnimationFrame(draw);
  }, [draw]);

  useEffect(() => {
    // The scheme's tokens change with it, so they are read anew.
    if (scheme !== null) palette.current = null;
    dirty.current = "all";
    schedule();
    return () => {
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, [scheme, schedule]);

  useEffect(
    () =>
      fleet.subscribeChanges(({ ids, membership }) => {
        if (membership) onMembership();
        if (ids === null) dirty.current = "all";
        else if (dirty.current !== "all") {
          for (const id of ids) {
            const position = layout.index.get(id);
            if (position !== undefined) dirty.current.add(position);
          }
        }
        schedule();
      }),
    [fleet, layout, schedule, onMembership],
  );

  return useCallback(
    (next: Marks) => {
      current.current = next;
      schedule();
    },
    [schedule],
  );
}
