/** The next 24 hours as a strip: what opens, on how many hosts, and what waits for it. */
import { Skeleton } from "@mantine/core";
import { Link, useNavigate } from "react-router";
import type { Opening } from "@/api/types";
import { Panel } from "@/components/Panel";
import { useNow } from "@/lib/clock";
import { plural } from "@/lib/words";
import { clock, dayKey, viewerZone, wallOf } from "@/lib/zones";
import shared from "@/modules/windows/Block.module.css";
import { inLanes } from "@/modules/windows/calendar";
import { useAgenda, useCoverage } from "@/modules/windows/queries";
import classes from "@/modules/windows/Timeline.module.css";
import {
  frozenWords,
  hostsParts,
  lookOf,
  openingKey,
  spanWords,
  waitingWords,
} from "@/modules/windows/words";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SPAN = 24 * 60;
const ROW = 25;
const EVERY = 3;
const MOST_ROWS = 3;
const percent = (minutes: number) => `${(minutes / SPAN) * 100}%`;

export function Timeline() {
  const now = useNow();
  // The same question for a quarter of an hour, so that its answer is kept.
  const begin = Math.floor(now / (15 * MINUTE)) * 15 * MINUTE;
  const agenda = useAgenda(begin, 24, null);
  const coverage = useCoverage().data;
  const openings = (agenda.data ?? []).filter((each) => Date.parse(each.closes_at) > now);
  const without = coverage?.hosts_without_window ?? 0;
  return (
    <Panel
      title="Windows in the next 24 hours"
      actions={
        <>
          {without > 0 && (
            <Link to="/windows?tab=without">{plural(without, "host has", "hosts have")} no window</Link>
          )}
          <Link to="/windows">Calendar</Link>
        </>
      }
    >
      {agenda.isPending ? (
        <Skeleton height={56} />
      ) : openings.length === 0 ? (
        <p className={classes.calm}>
          {agenda.isError ? "What opens next could not be read." : "Nothing opens in the next 24 hours."}
        </p>
      ) : (
        <Strip openings={openings} begin={begin} now={now} />
      )}
    </Panel>
  );
}

function Strip({ openings, begin, now }: { openings: readonly Opening[]; begin: number; now: number }) {
  const navigate = useNavigate();
  const zone = viewerZone();
  const minutes = (iso: string) => Math.min(SPAN, Math.max(0, (Date.parse(iso) - begin) / MINUTE));
  const blocks = inLanes(
    openings.map((each) => ({
      key: openingKey(each),
      from: minutes(each.opens_at),
      to: minutes(each.closes_at),
      openings: [each],
      hosts: each.hosts,
      before: Date.parse(each.opens_at) < begin,
      after: Date.parse(each.closes_at) > begin + SPAN * MINUTE,
    })),
    MOST_ROWS,
  );
  const lanes = Math.max(...blocks.map((block) => block.lanes));
  const ticks: number[] = [];
  for (let at = Math.ceil(begin / HOUR) * HOUR; at < begin + SPAN * MINUTE; at += HOUR)
    if (Number(clock(at, zone).slice(0, 2)) % EVERY === 0) ticks.push(at);
  return (
    <div className={classes.strip} data-testid="windows-timeline">
      <div className={classes.axis} aria-hidden="true">
        {ticks.map((at) => (
          <span key={at} style={{ left: percent((at - begin) / MINUTE) }}>
            {clock(at, zone)}
          </span>
        ))}
      </div>
      <div className={classes.rows} style={{ height: lanes * ROW + 3 }}>
        {ticks.map((at) => (
          <span key={at} className={classes.tick} style={{ left: percent((at - begin) / MINUTE) }} />
        ))}
        {blocks.map((block) => {
          const [first] = block.openings;
          if (first === undefined) return null;
          const several = block.openings.length > 1;
          const [number, unit] = hostsParts(first, block.hosts);
          const rest = several
            ? ` in ${plural(block.openings.length, "opening")}`
            : [waitingWords(first), frozenWords(first), spanWords(first.opens_at, first.closes_at, zone)]
                .filter(Boolean)
                .map((each) => `, ${each}`)
                .join("");
          const keys = block.openings.map((each) => `opening=${openingKey(each)}`).slice(0, 40);
          return (
            <button
              key={block.key}
              type="button"
              className={classes.block}
              data-look={lookOf(block.openings, now)}
              title={[`${number}${unit}${rest}`, ...(several ? [] : first.names)].join("; ")}
              style={{
                left: percent(block.from),
                width: percent(block.to - block.from),
                top: block.lane * ROW + 3,
              }}
              onClick={() =>
                void navigate(
                  `/windows?day=${dayKey(wallOf(Date.parse(first.opens_at), zone))}&${keys.join("&")}`,
                )
              }
            >
              <b>{number}</b>
              <span className={shared.unit}>
                {unit}
                {rest}
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
