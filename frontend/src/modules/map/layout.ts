/**
 * Where every host's cell goes: sections (a group or an OS) on shelves from left to right, cells as large as fit the
 * given area. Pure; the same input gives the same places, so nothing moves while states change.
 */

export interface SectionInput {
  key: string;
  label: string;
  ids: readonly string[];
}

export interface Section extends SectionInput {
  x: number;
  y: number;
  width: number;
  height: number;
  columns: number;
  /** Index of this section's first cell in `ids` of the layout. */
  first: number;
}

export interface Layout {
  /** Side of a cell and the distance from one to the next, in CSS px. */
  cell: number;
  pitch: number;
  sections: Section[];
  /** All ids in drawing order; the position in this list is a cell's index. */
  ids: string[];
  index: Map<string, number>;
  width: number;
  height: number;
}

export const LABEL = 20;
const SECTION_GAP = 16;
const SHELF_GAP = 10;
const LABEL_WIDTH = 118;
const PITCHES = [32, 29, 26, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];
const ROW_CHOICES = [2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 32, 40, 50, 64, 80];

interface Shelves {
  places: { x: number; y: number; columns: number; rows: number }[];
  height: number;
}

/** Put sections on shelves with about `rows` rows each. */
function shelve(sizes: readonly number[], width: number, pitch: number, rows: number): Shelves {
  const most = Math.max(1, Math.floor(width / pitch));
  const least = Math.min(most, Math.ceil(LABEL_WIDTH / pitch));
  const places: Shelves["places"] = [];
  let x = 0;
  let y = 0;
  let tallest = 0;
  for (const size of sizes) {
    const columns = Math.min(most, Math.max(least, Math.ceil(size / rows)));
    const needed = Math.max(1, Math.ceil(size / columns));
    const wide = columns * pitch;
    if (x > 0 && x + wide > width) {
      x = 0;
      y += LABEL + tallest * pitch + SHELF_GAP;
      tallest = 0;
    }
    places.push({ x, y, columns, rows: needed });
    tallest = Math.max(tallest, needed);
    x += wide + SECTION_GAP;
  }
  return { places, height: y + LABEL + tallest * pitch };
}

/** Lay sections out in `width` × `height` px; grows below `height` only when the smallest cells do not fit. */
export function layOut(sections: readonly SectionInput[], width: number, height: number): Layout {
  const sizes = sections.map((section) => section.ids.length);
  let pitch = PITCHES.at(-1) ?? 4;
  let best: Shelves | null = null;
  for (const candidate of PITCHES) {
    for (const rows of ROW_CHOICES) {
      const shelves = shelve(sizes, width, candidate, rows);
      if (shelves.height <= height && (best === null || shelves.height < best.height)) best = shelves;
    }
    if (best !== null) {
      pitch = candidate;
      break;
    }
  }
  best ??= shelve(sizes, width, pitch, Math.ceil(Math.max(...sizes, 1) / Math.floor(width / pitch)) || 1);

  const ids: string[] = [];
  const placed = sections.map((section, number): Section => {
    const place = best.places[number] ?? { x: 0, y: 0, columns: 1, rows: 1 };
    const first = ids.length;
    ids.push(...section.ids);
    return {
      ...section,
      first,
      x: place.x,
      y: place.y,
      columns: place.columns,
      width: place.columns * pitch,
      height: LABEL + place.rows * pitch,
    };
  });
  return {
    cell: pitch - (pitch > 24 ? 3 : pitch > 9 ? 2 : 1),
    pitch,
    sections: placed,
    ids,
    index: new Map(ids.map((id, position) => [id, position])),
    width,
    height: best.height,
  };
}

function sectionAt(layout: Layout, position: number): Section | undefined {
  return layout.sections.findLast((section) => section.first <= position && section.ids.length > 0);
}

/** Upper left corner of a cell. */
export function cornerOf(layout: Layout, position: number): { x: number; y: number } {
  const section = sectionAt(layout, position);
  if (section === undefined) return { x: 0, y: 0 };
  const local = position - section.first;
  return {
    x: section.x + (local % section.columns) * layout.pitch,
    y: section.y + LABEL + Math.floor(local / section.columns) * layout.pitch,
  };
}

/** The cell under a point, or -1. */
export function cellAt(layout: Layout, x: number, y: number): number {
  for (const section of layout.sections) {
    const left = x - section.x;
    const top = y - section.y - LABEL;
    if (left < 0 || top < 0 || left >= section.width || top >= section.height - LABEL) continue;
    const column = Math.floor(left / layout.pitch);
    const local = Math.floor(top / layout.pitch) * section.columns + column;
    return local < section.ids.length ? section.first + local : -1;
  }
  return -1;
}

/** Cells that touch a rectangle given by two corners. */
export function cellsIn(layout: Layout, ax: number, ay: number, bx: number, by: number): string[] {
  const [left, right] = ax < bx ? [ax, bx] : [bx, ax];
  const [top, bottom] = ay < by ? [ay, by] : [by, ay];
  const found: string[] = [];
  for (const section of layout.sections) {
    section.ids.forEach((id, local) => {
      const x = section.x + (local % section.columns) * layout.pitch;
      const y = section.y + LABEL + Math.floor(local / section.columns) * layout.pitch;
      if (x + layout.cell >= left && x <= right && y + layout.cell >= top && y <= bottom) found.push(id);
    });
  }
  return found;
}

/** The section whose label is under a point. */
export function labelAt(layout: Layout, x: number, y: number): Section | undefined {
  return layout.sections.find(
    (section) => x >= section.x && x < section.x + section.width && y >= section.y && y < section.y + LABEL,
  );
}

export type Step =
  | "ArrowLeft"
  | "ArrowRight"
  | "ArrowUp"
  | "ArrowDown"
  | "Home"
  | "End"
  | "PageUp"
  | "PageDown";

/** The cell an arrow key leads to: rows first, then the neighbouring section, never off the map. */
export function step(layout: Layout, position: number, key: Step): number {
  const last = layout.ids.length - 1;
  const clamp = (value: number) => Math.max(0, Math.min(last, value));
  const number = layout.sections.findLastIndex(
    (section) => section.first <= position && section.ids.length > 0,
  );
  const section = layout.sections[number];
  if (section === undefined) return 0;
  const down = position + section.columns;
  const end = section.first + section.ids.length;
  switch (key) {
    case "ArrowLeft":
      return clamp(position - 1);
    case "ArrowRight":
      return clamp(position + 1);
    case "ArrowUp":
      return position - section.columns >= section.first
        ? position - section.columns
        : clamp(section.first - 1);
    case "ArrowDown":
      return down < end ? down : clamp(end);
    case "PageUp":
      return layout.sections[Math.max(0, number - 1)]?.first ?? 0;
    case "PageDown":
      return clamp(layout.sections[number + 1]?.first ?? last);
    case "Home":
      return section.first;
    case "End":
      return end - 1;
  }
}
