/** Where openings and freezes stand on a calendar of any zone: columns, lanes and month cells. Pure. */
import type { Freeze, Opening } from "@/api/types";
import { addDays, type Day, dayKey, daysBetween, firstOfMonth, mondayOf, wallOf } from "@/lib/zones";

const DAY_MINUTES = 1440;
/** Shorter ones are drawn this long, so that they can be read and hit. */
const SHORTEST = 45;
/** More openings side by side than this are gathered in one block. */
const LANES = 4;
/** Minutes that the words of a block take up. */
const WORDS = 100;

/** A stretch of one day, in minutes on its clock. */
interface Stretch {
  from: number;
  to: number;
}

export interface Block extends Stretch {
  key: string;
  /** One, or several that had no room of their own. */
  openings: Opening[];
  hosts: number;
  lane: number;
  lanes: number;
  /** Lanes it is wide: it lies under later ones that begin well below its words. */
  wide: number;
  /** Whether it goes on from the day before, or into the day after. */
  before: boolean;
  after: boolean;
}

type Stretched = Omit<Block, "lane" | "lanes" | "wide">;

export interface Band extends Stretch {
  freeze: Freeze;
}

export interface Column {
  day: Day;
  blocks: Block[];
  bands: Band[];
}

/** The seven days of the week that `day` is in, from Monday. */
export function weekOf(day: Day): Day[] {
  return Array.from({ length: 7 }, (_, index) => addDays(mondayOf(day), index));
}

/** Whole weeks that cover the month `day` is in. */
export function weeksOfMonth(day: Day): Day[] {
  const first = mondayOf(firstOfMonth(day));
  const found: Day[] = [];
  for (let index = 0; index < 42; index++) {
    const next = addDays(first, index);
    if (index % 7 === 0 && index > 0 && next.month !== day.month) break;
    found.push(next);
  }
  return found;
}

interface Piece extends Stretch {
  index: number;
  before: boolean;
  after: boolean;
}

/** The pieces of a span on days counted from `first`, on the clock of `zone`; the end is outside of it. */
function pieces(from: number, to: number, first: Day, days: number, zone: string): Piece[] {
  const [start, end] = [wallOf(from, zone), wallOf(to, zone)];
  const startIndex = daysBetween(first, start);
  let endIndex = daysBetween(first, end);
  let endMinute = end.hour * 60 + end.minute;
  if (endMinute === 0 && endIndex > startIndex) {
    endIndex -= 1;
    endMinute = DAY_MINUTES;
  }
  const found: Piece[] = [];
  for (let index = Math.max(0, startIndex); index <= Math.min(days - 1, endIndex); index++) {
    const begins = index === startIndex ? start.hour * 60 + start.minute : 0;
    const ends = index === endIndex ? endMinute : DAY_MINUTES;
    // Where clocks are set back within the span, its end may read earlier than its begin.
    found.push({
      index,
      from: begins,
      to: Math.max(ends, begins),
      before: index > startIndex,
      after: index < endIndex,
    });
  }
  return found;
}

/** Openings and freezes on the columns of these days, which follow each other. */
export function columnsOf(
  days: readonly Day[],
  openings: readonly Opening[],
  freezes: readonly Freeze[],
  zone: string,
): Column[] {
  const [first] = days;
  if (first === undefined) return [];
  const raw = days.map((day) => ({
    day,
    stretches: [] as Stretched[],
    bands: [] as Band[],
  }));
  for (const opening of openings) {
    const [from, to] = [Date.parse(opening.opens_at), Date.parse(opening.closes_at)];
    for (const { index, ...piece } of pieces(from, to, first, days.length, zone)) {
      raw[index]?.stretches.push({
        ...piece,
        key: `${opening.opens_at} ${opening.closes_at}`,
        openings: [opening],
        hosts: opening.hosts,
      });
    }
  }
  for (const freeze of freezes) {
    const [from, to] = [Date.parse(freeze.starts_at), Date.parse(freeze.ends_at)];
    for (const { index, from: begins, to: ends } of pieces(from, to, first, days.length, zone)) {
      raw[index]?.bands.push({ freeze, from: begins, to: ends });
    }
  }
  return raw.map(({ day, stretches, bands }) => ({ day, bands, blocks: inLanes(stretches) }));
}

/** Blocks side by side where they overlap; what finds no lane is gathered in the last one. */
export function inLanes(stretches: readonly Stretched[], most = LANES): Block[] {
  const sorted = stretches
    .map((each) => drawn(each))
    .sort((a, b) => a.from - b.from || b.to - a.to || (a.key < b.key ? -1 : 1));
  const found: Block[] = [];
  let cluster: typeof sorted = [];
  let until = -1;
  for (const each of sorted) {
    if (each.from >= until && cluster.length > 0) {
      found.push(...laid(cluster, most));
      cluster = [];
    }
    cluster.push(each);
    until = Math.max(until, each.to);
  }
  return [...found, ...laid(cluster, most)];
}

function drawn<Piece extends Stretch>(each: Piece): Piece {
  if (each.to - each.from >= SHORTEST) return each;
  const to = Math.min(DAY_MINUTES, each.from + SHORTEST);
  return { ...each, from: to - SHORTEST, to };
}

function laid(cluster: readonly Stretched[], most: number): Block[] {
  const ends: number[] = [];
  const lanes = cluster.map((each) => {
    const free = ends.findIndex((end) => end <= each.from);
    const lane = free === -1 ? ends.length : free;
    ends[lane] = each.to;
    return lane;
  });
  if (ends.length <= most)
    return widened(cluster.map((each, i) => ({ ...each, lane: lanes[i] ?? 0, lanes: ends.length, wide: 1 })));
  // Too many: the largest keep a lane, the rest share the last.
  const kept = new Set([...cluster].sort((a, b) => b.hosts - a.hosts).slice(0, most - 1));
  const rest = cluster.filter((each) => !kept.has(each));
  const blocks = cluster
    .filter((each) => kept.has(each))
    .map((each, lane): Block => ({ ...each, lane, lanes: most, wide: 1 }));
  blocks.push({
    key: `more ${rest[0]?.key}`,
    from: Math.min(...rest.map((each) => each.from)),
    to: Math.max(...rest.map((each) => each.to)),
    openings: rest.flatMap((each) => each.openings),
    hosts: rest.reduce((sum, each) => sum + each.hosts, 0),
    lane: most - 1,
    lanes: most,
    wide: 1,
    before: rest.every((each) => each.before),
    after: rest.every((each) => each.after),
  });
  return blocks;
}

/** Each block as wide as no neighbour to its right begins beside its words. */
function widened(blocks: Block[]): Block[] {
  return blocks.map((block) => {
    const beside = blocks
      .filter((each) => each.lane > block.lane && each.to > block.from && each.from < block.from + WORDS)
      .map((each) => each.lane);
    return { ...block, wide: Math.min(block.lanes, ...beside) - block.lane };
  });
}

export interface Cell {
  day: Day;
  inMonth: boolean;
  /** What opens on that day, the most hosts first. */
  openings: Opening[];
  hosts: number;
  waiting: number;
  freezes: Freeze[];
}

/** The cells of a month: what opens on each day, and the freezes that touch it. */
export function cellsOf(
  month: Day,
  openings: readonly Opening[],
  freezes: readonly Freeze[],
  zone: string,
): Cell[] {
  const days = weeksOfMonth(month);
  const cells = days.map(
    (day): Cell => ({
      day,
      inMonth: day.month === month.month,
      openings: [],
      hosts: 0,
      waiting: 0,
      freezes: [],
    }),
  );
  const [first] = days;
  if (first === undefined) return cells;
  const byKey = new Map(cells.map((cell) => [dayKey(cell.day), cell]));
  for (const opening of openings) {
    const cell = byKey.get(dayKey(wallOf(Date.parse(opening.opens_at), zone)));
    if (cell === undefined) continue;
    cell.openings.push(opening);
    cell.hosts += opening.hosts;
    cell.waiting += opening.waiting;
  }
  for (const cell of cells)
    cell.openings.sort((a, b) => b.hosts - a.hosts || (a.opens_at < b.opens_at ? -1 : 1));
  for (const freeze of freezes) {
    const [from, to] = [Date.parse(freeze.starts_at), Date.parse(freeze.ends_at)];
    for (const { index } of pieces(from, to, first, days.length, zone)) cells[index]?.freezes.push(freeze);
  }
  return cells;
}

export interface Conflicts {
  /** Openings in which a freeze lets nothing start, on every host or on some. */
  frozen: number;
  partly: number;
  waiting: number;
  deployments: number;
}

export function conflictsOf(openings: readonly Opening[]): Conflicts {
  const deployments = new Set(openings.flatMap((each) => each.deployment_ids));
  return {
    frozen: openings.filter((each) => each.frozen_hosts === each.hosts).length,
    partly: openings.filter((each) => each.frozen_hosts > 0 && each.frozen_hosts < each.hosts).length,
    waiting: openings.reduce((sum, each) => sum + each.waiting, 0),
    deployments: deployments.size,
  };
}
