/** Drawing of the fleet map. Cells are redrawn one by one as they change; labels, selection and focus have a layer each. */
import type { HostRow } from "@/api/types";
import { count } from "@/lib/words";
import { cornerOf, LABEL, type Layout } from "@/modules/map/layout";
import { type Colouring, type Look, lookOf } from "@/modules/map/looks";

/** Token values read once per scheme: the canvas cannot use CSS variables by itself. */
export type Palette = (token: string) => string;

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  return (token) => {
    let value = known.get(token);
    if (value === undefined) {
      value = style.getPropertyValue(`--pm-${token}`).trim();
      known.set(token, value);
    }
    return value;
  };
}

const ROUNDED_FROM = 14;

type Context = CanvasRenderingContext2D;

/** A square, its corners rounded where there is room to see it. */
function square(context: Context, x: number, y: number, size: number): void {
  if (size < ROUNDED_FROM) {
    context.fillRect(x, y, size, size);
    return;
  }
  context.beginPath();
  context.roundRect(x, y, size, size, size / 8);
  context.fill();
}

function drawShape(
  context: Context,
  look: Look,
  x: number,
  y: number,
  size: number,
  ink: Palette,
  progress: number,
): void {
  const colour = ink(look.token);
  context.fillStyle = colour;
  context.strokeStyle = colour;
  switch (look.shape) {
    case "solid":
      square(context, x, y, size);
      return;
    case "empty":
      context.globalAlpha = 0.25;
      square(context, x, y, size);
      context.globalAlpha = 1;
      return;
    case "dashed":
      context.lineWidth = 1;
      context.setLineDash(size > 8 ? [2, 2] : []);
      context.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
      context.setLineDash([]);
      return;
    case "fill": {
      const filled = Math.max(2, Math.round(((size - 2) * Math.max(8, progress)) / 100));
      context.lineWidth = 1.5;
      context.strokeRect(x + 0.75, y + 0.75, size - 1.5, size - 1.5);
      context.fillRect(x + 1, y + size - 1 - filled, size - 2, filled);
      return;
    }
    case "dot":
      square(context, x, y, size);
      context.fillStyle = ink("surface");
      context.fillRect(x + size / 2 - size / 8, y + size / 2 - size / 8, size / 4, size / 4);
      return;
    case "triangle":
      context.beginPath();
      context.moveTo(x + size / 2, y);
      context.lineTo(x + size, y + size);
      context.lineTo(x, y + size);
      context.closePath();
      context.fill();
      return;
    case "cross": {
      square(context, x, y, size);
      context.strokeStyle = ink("surface");
      context.lineWidth = Math.max(1, size / 8);
      const inset = size * 0.28;
      context.beginPath();
      context.moveTo(x + inset, y + inset);
      context.lineTo(x + size - inset, y + size - inset);
      context.moveTo(x + size - inset, y + inset);
      context.lineTo(x + inset, y + size - inset);
      context.stroke();
    }
  }
}

export interface Scene {
  layout: Layout;
  colouring: Colouring;
  palette: Palette;
  row: (id: string) => HostRow | undefined;
}

/** Draw the given cells (by index) anew. */
export function paintCells(context: Context, scene: Scene, positions: Iterable<number>): void {
  const { layout, colouring, palette } = scene;
  for (const position of positions) {
    const { x, y } = cornerOf(layout, position);
    context.clearRect(x - 0.5, y - 0.5, layout.cell + 1, layout.cell + 1);
    const row = scene.row(layout.ids[position] ?? "");
    if (row !== undefined)
      drawShape(context, lookOf(row, colouring), x, y, layout.cell, palette, row.job?.progress ?? 0);
  }
}

/** Draw everything: labels, then all cells section by section. */
export function paintAll(context: Context, scene: Scene, font: string): void {
  const { layout, colouring, palette } = scene;
  context.clearRect(0, 0, layout.width, layout.height + 2);
  context.textBaseline = "middle";
  for (const section of layout.sections) {
    const room = section.width - 4;
    const number = count(section.ids.length);
    context.font = `600 12px ${font}`;
    context.fillStyle = palette("soft");
    const numberWidth = number.length * 7 + 8;
    const label = shortened(context, section.label, room - numberWidth);
    context.fillText(label, section.x, section.y + 9);
    const width = context.measureText(label).width;
    context.font = `400 12px ${font}`;
    context.fillStyle = palette("muted");
    context.fillText(number, section.x + width + 6, section.y + 9);
    for (let local = 0; local < section.ids.length; local++) {
      const row = scene.row(section.ids[local] ?? "");
      if (row === undefined) continue;
      const x = section.x + (local % section.columns) * layout.pitch;
      const y = section.y + LABEL + Math.floor(local / section.columns) * layout.pitch;
      drawShape(context, lookOf(row, colouring), x, y, layout.cell, palette, row.job?.progress ?? 0);
    }
  }
}

function shortened(context: Context, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

export interface Marks {
  selected: ReadonlySet<string>;
  focus: number;
  hover: number;
  drag: { ax: number; ay: number; bx: number; by: number } | null;
}

/** The layer above: what is selected, focused, pointed at or being dragged over. */
export function paintMarks(context: Context, layout: Layout, marks: Marks, palette: Palette): void {
  context.clearRect(0, 0, layout.width + 4, layout.height + 4);
  const ring = (position: number, colour: string, width: number) => {
    const { x, y } = cornerOf(layout, position);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x - 0.5, y - 0.5, layout.cell + 1, layout.cell + 1);
  };
  for (const id of marks.selected) {
    const position = layout.index.get(id);
    if (position !== undefined) ring(position, palette("text"), 1.5);
  }
  if (marks.hover >= 0) ring(marks.hover, palette("text"), 2);
  if (marks.focus >= 0) ring(marks.focus, palette("focus"), 3);
  if (marks.drag !== null) {
    const { ax, ay, bx, by } = marks.drag;
    context.fillStyle = palette("accent");
    context.globalAlpha = 0.12;
    context.fillRect(ax, ay, bx - ax, by - ay);
    context.globalAlpha = 1;
    context.strokeStyle = palette("accent");
    context.lineWidth = 1;
    context.strokeRect(ax + 0.5, ay + 0.5, bx - ax, by - ay);
  }
}
