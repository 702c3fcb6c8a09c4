/** Seven days with their hours: openings as blocks, freezes drawn behind them. */
import { useEffect, useRef } from "react";
import type { Freeze, Opening } from "@/api/types";
import { Icon } from "@/components/Icon";
import { useNow } from "@/lib/clock";
import { plural } from "@/lib/words";
import { type Day, dayKey, dayWords, wallOf } from "@/lib/zones";
import shared from "@/modules/windows/Block.module.css";
import classes from "@/modules/windows/Calendar.module.css";
import { type Block, columnsOf } from "@/modules/windows/calendar";
import {
  freezeScope,
  frozenWords,
  hostsParts,
  lookOf,
  spanWords,
  waitingWords,
} from "@/modules/windows/words";

const DAY_MINUTES = 1440;
/** A block that is shorter has room for one line. */
const TWO_LINES = 75;
const HOURS = [3, 6, 9, 12, 15, 18, 21];
const percent = (minutes: number) => `${(minutes / DAY_MINUTES) * 100}%`;

interface Props {
  days: readonly Day[];
  openings: readonly Opening[];
  freezes: readonly Freeze[];
  zone: string;
  onOpen: (openings: readonly Opening[]) => void;
}

export function WeekView({ days, openings, freezes, zone, onOpen }: Props) {
  const now = useNow();
  const wall = wallOf(now, zone);
  const columns = columnsOf(days, openings, freezes, zone);
  const scroller = useRef<HTMLDivElement>(null);
  const [first] = days;
  const from = first === undefined ? "" : dayKey(first);
  // A week starts at its first hour; people move on from there.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another week begins at its top again
  useEffect(() => {
    if (scroller.current !== null) scroller.current.scrollTop = 0;
  }, [from]);
  return (
    <>
      <div className={classes.days}>
        <div />
        {columns.map(({ day, bands }) => (
          <div key={dayKey(day)} className={classes.dayHead}>
            <b className={dayKey(day) === dayKey(wall) ? classes.today : undefined}>{dayWords(day)}</b>
            {bands.map(({ freeze }) => (
              <span key={freeze.id} className={classes.frozenDay} title={freeze.reason}>
                <Icon name="snow" size={12} />
                <span className="ellipsis">
                  {freezeScope(freeze)}: {freeze.reason}
                </span>
              </span>
            ))}
          </div>
        ))}
      </div>
      <div ref={scroller} className={classes.scroll}>
        <div className={classes.week}>
          <div className={classes.hours} aria-hidden="true">
            {HOURS.map((hour) => (
              <span key={hour} style={{ top: percent(hour * 60) }}>
                {String(hour).padStart(2, "0")}:00
              </span>
            ))}
          </div>
          {columns.map(({ day, blocks, bands }) => (
            <section key={dayKey(day)} className={classes.column} aria-label={dayWords(day)}>
              {bands.map(({ freeze, from, to }) => (
                <div
                  key={freeze.id}
                  className={classes.band}
                  style={{ top: percent(from), height: percent(to - from) }}
                />
              ))}
              {blocks.map((block) => (
                <BlockButton key={block.key} block={block} zone={zone} now={now} onOpen={onOpen} />
              ))}
              {dayKey(day) === dayKey(wall) && (
                <div className={classes.now} style={{ top: percent(wall.hour * 60 + wall.minute) }} />
              )}
            </section>
          ))}
        </div>
      </div>
    </>
  );
}

interface BlockProps {
  block: Block;
  zone: string;
  now: number;
  onOpen: (openings: readonly Opening[]) => void;
}

function BlockButton({ block, zone, now, onOpen }: BlockProps) {
  const [first] = block.openings;
  if (first === undefined) return null;
  const several = block.openings.length > 1;
  const time = several
    ? plural(block.openings.length, "opening")
    : spanWords(first.opens_at, first.closes_at, zone);
  const [number, unit] = hostsParts(first, block.hosts);
  const frozen = several ? null : frozenWords(first);
  const waits = several ? null : waitingWords(first);
  const names = several ? "" : first.names.join(", ");
  const short = block.to - block.from < TWO_LINES;
  const words = [time, `${number}${unit}`, names, frozen, waits].filter(Boolean).join(", ");
  return (
    <button
      type="button"
      className={classes.block}
      data-look={lookOf(block.openings, now)}
      data-before={block.before}
      data-after={block.after}
      title={words}
      style={{
        top: percent(block.from),
        height: percent(block.to - block.from),
        left: `calc(${(block.lane / block.lanes) * 100}% + 2px)`,
        width: `calc(${(block.wide / block.lanes) * 100}% - 4px)`,
        zIndex: block.lane,
      }}
      onClick={() => onOpen(block.openings)}
    >
      <span className={classes.line}>
        <b>
          {number}
          <span className={shared.unit}>{unit}</span>
        </b>
        {short && <span className={shared.unit}> {time}</span>}
      </span>
      {frozen !== null && <span className={`${classes.line} ${classes.note}`}>{frozen}</span>}
      {waits !== null && <span className={`${classes.line} ${classes.waits}`}>{waits}</span>}
      {!short && <span className={classes.line}>{time}</span>}
      {names !== "" && <span className={short ? "visually-hidden" : classes.line}>{names}</span>}
    </button>
  );
}
