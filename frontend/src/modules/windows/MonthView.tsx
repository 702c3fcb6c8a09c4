/** A month of days: how many hosts open when, freezes, and what waits. */
import type { Freeze, Opening } from "@/api/types";
import { Icon } from "@/components/Icon";
import { useNow } from "@/lib/clock";
import { count, plural } from "@/lib/words";
import { clock, type Day, dayKey, dayWords, wallOf } from "@/lib/zones";
import classes from "@/modules/windows/Calendar.module.css";
import { type Cell, cellsOf } from "@/modules/windows/calendar";
import { freezeScope, hostsWords, lookOf, waitingWords } from "@/modules/windows/words";

const SHOWN = 3;
const HEADS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

interface Props {
  month: Day;
  openings: readonly Opening[];
  freezes: readonly Freeze[];
  zone: string;
  onOpen: (openings: readonly Opening[]) => void;
  onDay: (day: Day) => void;
}

export function MonthView({ month, openings, freezes, zone, onOpen, onDay }: Props) {
  const now = useNow();
  const today = dayKey(wallOf(now, zone));
  const cells = cellsOf(month, openings, freezes, zone);
  return (
    <>
      <div className={classes.monthDays} aria-hidden="true">
        {HEADS.map((name) => (
          <span key={name}>{name}</span>
        ))}
      </div>
      <div className={classes.month}>
        {cells.map((cell) => (
          <DayCell
            key={dayKey(cell.day)}
            cell={cell}
            today={dayKey(cell.day) === today}
            zone={zone}
            now={now}
            onOpen={onOpen}
            onDay={onDay}
          />
        ))}
      </div>
    </>
  );
}

interface CellProps extends Pick<Props, "zone" | "onOpen" | "onDay"> {
  cell: Cell;
  today: boolean;
  now: number;
}

function DayCell({ cell, today, zone, now, onOpen, onDay }: CellProps) {
  const { day, openings, freezes } = cell;
  const more = openings.slice(openings.length > SHOWN + 1 ? SHOWN : SHOWN + 1);
  const shown = openings.slice(0, openings.length - more.length);
  return (
    <section
      className={classes.cell}
      aria-label={dayWords(day)}
      data-frozen={freezes.length > 0}
      data-other={!cell.inMonth}
    >
      <div className={classes.cellHead}>
        <button
          type="button"
          className={`${classes.number} ${today ? classes.today : ""}`}
          title="Show this week"
          aria-label={`Week of ${dayWords(day)}`}
          onClick={() => onDay(day)}
        >
          {day.day}
        </button>
        {freezes.length > 0 && (
          <span
            className={classes.frozenDay}
            title={freezes.map((each) => `${freezeScope(each)}: ${each.reason}`).join("; ")}
          >
            <Icon name="snow" size={12} />
            <span className="visually-hidden">
              Frozen: {freezes.map((each) => `${freezeScope(each)}, ${each.reason}`).join("; ")}
            </span>
          </span>
        )}
        {cell.waiting > 0 && <span className={classes.waits}>{plural(cell.waiting, "job")}</span>}
      </div>
      {shown.map((each) => (
        <button
          key={`${each.opens_at} ${each.closes_at}`}
          type="button"
          className={classes.entry}
          data-look={lookOf([each], now)}
          title={[each.names.join(", "), each.frozen ?? "", waitingWords(each) ?? ""]
            .filter(Boolean)
            .join("; ")}
          onClick={() => onOpen([each])}
        >
          <span>{clock(Date.parse(each.opens_at), zone)}</span>
          <span className="ellipsis">{hostsWords(each)}</span>
          {each.frozen_hosts > 0 && (
            <span className={classes.note}>
              <Icon name="snow" size={12} />
              <span className="visually-hidden">frozen</span>
            </span>
          )}
        </button>
      ))}
      {more.length > 0 && (
        <button type="button" className="link-button" onClick={() => onOpen(more)}>
          {count(more.length)} more,{" "}
          {plural(
            more.reduce((sum, each) => sum + each.hosts, 0),
            "host",
          )}
        </button>
      )}
    </section>
  );
}
