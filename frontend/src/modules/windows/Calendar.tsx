/** The windows of the fleet on a week or a month, in any zone, with the freezes over them and what waits. */

import { ActionIcon, Button, SegmentedControl, Select, Skeleton, Tooltip } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "react-router";
import { useGroups } from "@/api/queries";
import type { Opening } from "@/api/types";
import { Icon } from "@/components/Icon";
import { Shape } from "@/components/Mark";
import { Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { ZoneSelect } from "@/components/ZoneSelect";
import { useKeys } from "@/lib/keyboard";
import { now } from "@/lib/time";
import { useChoice, useParam, useQueryParams } from "@/lib/url";
import { plural } from "@/lib/words";
import {
  addDays,
  addMonths,
  type Day,
  dayFrom,
  dayKey,
  dayWords,
  firstOfMonth,
  isZone,
  monthWords,
  startOfDay,
  viewerZone,
  wallOf,
} from "@/lib/zones";
import classes from "@/modules/windows/Calendar.module.css";
import { conflictsOf, weekOf, weeksOfMonth } from "@/modules/windows/calendar";
import { MonthView } from "@/modules/windows/MonthView";
import { OpeningDrawer } from "@/modules/windows/OpeningDrawer";
import { useAgenda, useFreezes } from "@/modules/windows/queries";
import { WeekView } from "@/modules/windows/WeekView";
import windows from "@/modules/windows/windows.module.css";
import { openingKey } from "@/modules/windows/words";

const HOUR = 3_600_000;
const NO_OPENINGS: Opening[] = [];
const MOST_IN_LINK = 40;

export function Calendar() {
  const [, update] = useQueryParams();
  const [view, setView] = useChoice("view", ["week", "month"]);
  const [wantedZone, setZone] = useParam("zone", viewerZone());
  const [wantedDay, setDay] = useParam("day");
  const [group, setGroup] = useParam("group");
  const groups = useGroups();
  const zone = isZone(wantedZone) ? wantedZone : viewerZone();
  const today = wallOf(now(), zone);
  const day: Day = dayFrom(wantedDay) ?? today;
  const days = view === "week" ? weekOf(day) : weeksOfMonth(day);
  const [begin, end] = [startOfDay(days[0] ?? day, zone), startOfDay(addDays(days.at(-1) ?? day, 1), zone)];
  const agenda = useAgenda(begin, Math.ceil((end - begin) / HOUR), group === "" ? null : group);
  const freezes = useFreezes();
  const openings = agenda.data ?? NO_OPENINGS;
  const shownFreezes = useMemo(
    () =>
      (freezes.data ?? []).filter(
        (each) => group === "" || each.group_id === null || each.group_id === group,
      ),
    [freezes.data, group],
  );
  const go = (by: number) => {
    const next = view === "week" ? addDays(day, by * 7) : addMonths(day, by);
    setDay(dayKey(next));
  };
  useKeys({ ArrowLeft: () => go(-1), ArrowRight: () => go(1), t: () => setDay("") });
  const open = (chosen: readonly Opening[]) =>
    update((query) => {
      query.delete("opening");
      for (const each of chosen.slice(0, MOST_IN_LINK)) query.append("opening", openingKey(each));
      return query;
    }, true);
  const showWeek = (chosen: Day) =>
    update((query) => {
      query.delete("view");
      query.set("day", dayKey(chosen));
      return query;
    }, true);
  return (
    <>
      <div className={page.toolbar}>
        <SegmentedControl
          size="xs"
          aria-label="Span of the calendar"
          data={[
            { value: "week", label: "Week" },
            { value: "month", label: "Month" },
          ]}
          value={view}
          onChange={setView}
        />
        <Tooltip label={view === "week" ? "Week before" : "Month before"}>
          <ActionIcon variant="default" aria-label="Earlier" onClick={() => go(-1)}>
            <Icon name="previous" />
          </ActionIcon>
        </Tooltip>
        <Button variant="default" size="compact-sm" onClick={() => setDay("")}>
          Today
        </Button>
        <Tooltip label={view === "week" ? "Week after" : "Month after"}>
          <ActionIcon variant="default" aria-label="Later" onClick={() => go(1)}>
            <Icon name="chevron" />
          </ActionIcon>
        </Tooltip>
        <h2 className={classes.title}>{view === "week" ? weekWords(days) : monthWords(firstOfMonth(day))}</h2>
        <div className={page.spacer} />
        <Select
          size="xs"
          w={170}
          aria-label="Group"
          placeholder="All hosts"
          clearable
          searchable
          data={groups.map((each) => ({ value: each.id, label: each.name }))}
          value={group === "" ? null : group}
          onChange={(value) => setGroup(value ?? "")}
        />
        <ZoneSelect label="Time zone of the calendar" width={220} value={zone} onChange={setZone} />
      </div>
      <Said openings={openings} loading={agenda.isPending} />
      {agenda.isError && (
        <Failure error={agenda.error} doing="read the calendar" retry={() => void agenda.refetch()} />
      )}
      {agenda.isPending ? (
        <Skeleton className="fill" />
      ) : (
        <div className={classes.frame} data-old={agenda.isPlaceholderData} data-testid="calendar">
          {view === "week" ? (
            <WeekView days={days} openings={openings} freezes={shownFreezes} zone={zone} onOpen={open} />
          ) : (
            <MonthView
              month={day}
              openings={openings}
              freezes={shownFreezes}
              zone={zone}
              onOpen={open}
              onDay={showWeek}
            />
          )}
        </div>
      )}
      <OpeningDrawer known={openings} zone={zone} group={group === "" ? null : group} />
    </>
  );
}

function weekWords(days: readonly Day[]): string {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return "";
  return `${dayWords(first)} to ${dayWords(last)} ${last.year}`;
}

/** What the calendar says in words: conflicts first, then what waits; and what its looks mean. */
function Said({ openings, loading }: { openings: readonly Opening[]; loading: boolean }) {
  if (loading) return <Skeleton height={20} width="50%" />;
  const { frozen, partly, waiting, deployments } = conflictsOf(openings);
  return (
    <div className={windows.said}>
      <span role="status">
        {openings.length === 0 ? "Nothing opens in this time." : plural(openings.length, "opening")}
      </span>
      {frozen + partly > 0 && (
        <Link to="/windows?tab=freezes">
          <Shape tone="attention" /> {plural(frozen + partly, "opening")} in a freeze
          {partly > 0 && `, ${partly} of them for some hosts only`}
        </Link>
      )}
      {waiting > 0 && (
        <Link to="/jobs">
          <Shape tone="working" /> {plural(waiting, "job")} of {plural(deployments, "deployment")} waiting
        </Link>
      )}
      <span className={page.spacer} />
      <span className={classes.legend} aria-hidden="true">
        <span>
          <i className={classes.key} /> opens
        </span>
        <span>
          <i className={classes.key} data-look="open" /> open now
        </span>
        <span>
          <i className={classes.key} data-look="frozen" /> opens into a freeze
        </span>
        <span>
          <i className={classes.key} data-look="band" /> freeze
        </span>
      </span>
    </div>
  );
}
