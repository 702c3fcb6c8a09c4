/** When may this host be touched: its windows, what opens next, and the freezes that concern it. */

import { Button, Skeleton } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState, useSyncExternalStore } from "react";
import { Link } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { HostRow, MaintenanceWindow, Occurrence } from "@/api/types";
import { Ago } from "@/components/Ago";
import { DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import { Shape } from "@/components/Mark";
import { Empty, Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import page from "@/components/page.module.css";
import { exact } from "@/lib/time";
import { plural } from "@/lib/words";
import { shortIn } from "@/lib/zones";
import { Selection } from "@/modules/fleet/selection";
import { WINDOW_COLUMNS } from "@/modules/windows/columns";
import { useFreezes, useWindowsOf } from "@/modules/windows/queries";
import { remark } from "@/modules/windows/remarks";
import { WindowActions } from "@/modules/windows/WindowActions";
import classes from "@/modules/windows/windows.module.css";
import { freezeScope } from "@/modules/windows/words";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));
const VISIBLE = { host: false };
const SHOWN = 5;

export function HostWindows({ host }: { host: HostRow }) {
  const query = useWindowsOf(host.id);
  const [selection] = useState(() => new Selection());
  const selected = useSyncExternalStore(selection.subscribe, selection.get);
  const [open, setOpen] = useState<MaintenanceWindow | "new" | null>(null);
  const rows = query.data ?? [];
  const chosen = rows.filter((each) => selected.has(each.id));
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the windows" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton height={240} />;
  const editor = (
    <Suspense>
      {open === "new" && <WindowEditor hosts={[host.id]} onClose={() => setOpen(null)} />}
      {open !== null && open !== "new" && <WindowEditor windows={[open]} onClose={() => setOpen(null)} />}
    </Suspense>
  );
  if (rows.length === 0) {
    return (
      <>
        <Empty
          title="No window yet"
          actions={<Button onClick={() => setOpen("new")}>Give it a window</Button>}
        >
          <p>
            What is deployed for windows never starts on {host.display_name}. A window says when it may be
            patched and, where that is needed, rebooted.
          </p>
        </Empty>
        {editor}
      </>
    );
  }
  return (
    <>
      <div className={page.toolbar}>
        <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setOpen("new")}>
          New window
        </Button>
        <div className={page.spacer} />
        <WindowActions windows={chosen} onDone={() => selection.clear()} />
      </div>
      <DataTable
        fit
        label="Windows of the host"
        columns={WINDOW_COLUMNS}
        visible={VISIBLE}
        rows={rows}
        selected={selected}
        onSelect={(row) => selection.toggle(row.id)}
        onSelectAll={() =>
          chosen.length === rows.length
            ? selection.clear()
            : selection.set(new Set(rows.map((row) => row.id)))
        }
        onOpen={setOpen}
      />
      <div className={classes.two}>
        <Coming windows={rows} />
        <Concerning host={host} />
      </div>
      {editor}
    </>
  );
}

interface Coming extends Occurrence {
  window: MaintenanceWindow;
}

/** The next openings over all its windows, as the scheduler will open them. */
function Coming({ windows }: { windows: readonly MaintenanceWindow[] }) {
  const api = useApi();
  const enabled = windows.filter((each) => each.enabled);
  const answers = useQueries({
    queries: enabled.map((window) => ({
      queryKey: keys.windowPreview(`${window.id} ${window.version}`, SHOWN),
      queryFn: () =>
        api.post<{ items: Occurrence[] }>("windows/preview", { ...ruleOf(window), count: SHOWN }),
      staleTime: 60_000,
    })),
  });
  const found = answers
    .flatMap((answer, index) =>
      (answer.data?.items ?? []).map((each): Coming | null => {
        const window = enabled[index];
        return window === undefined ? null : { ...each, window };
      }),
    )
    .filter((each) => each !== null)
    .sort((a, b) => Date.parse(a.opens_at) - Date.parse(b.opens_at))
    .slice(0, SHOWN);
  return (
    <Panel title="Opens next, on its own clock">
      {answers.some((answer) => answer.isPending) ? (
        <Skeleton height={120} />
      ) : (
        <ol className={classes.rows} data-testid="host-openings">
          {found.length === 0 && <li className="muted">No window of this host opens again.</li>}
          {found.map((each) => {
            const { timezone, start_time: start, name } = each.window;
            const note = remark(each, start, timezone);
            return (
              <li key={`${each.window.id} ${each.opens_at}`}>
                <span>{shortIn(Date.parse(each.opens_at), timezone)}</span>
                <span className="muted">{name}</span>
                <span className="muted">
                  <Ago at={each.opens_at} ahead />
                </span>
                {note !== null && <div className={classes.remark}>{note}</div>}
              </li>
            );
          })}
        </ol>
      )}
    </Panel>
  );
}

/** The rule as the preview takes it: what its kind does not use is absent. */
function ruleOf(window: MaintenanceWindow): Record<string, unknown> {
  const { kind, start_time, weekdays, day_of_month, nth_weekday, starts_at, duration_minutes, timezone } =
    window;
  return {
    kind,
    start_time,
    weekdays: weekdays.length === 0 ? null : weekdays,
    day_of_month,
    nth_weekday,
    starts_at,
    duration_minutes,
    timezone,
  };
}

function Concerning({ host }: { host: HostRow }) {
  const query = useFreezes();
  const found = useMemo(
    () =>
      (query.data ?? []).filter((each) => each.group_id === null || host.group_ids.includes(each.group_id)),
    [query.data, host.group_ids],
  );
  return (
    <Panel
      title={
        found.length === 0 ? "Freezes that concern it" : `${plural(found.length, "freeze")} that concern it`
      }
      actions={<Link to="/windows?tab=freezes">All freezes</Link>}
    >
      <ul className={classes.rows}>
        {query.isSuccess && found.length === 0 && <li className="muted">None, now or planned.</li>}
        {found.map((each) => (
          <li key={each.id}>
            <Shape tone={each.active ? "attention" : "working"} />
            <span>
              {freezeScope(each)}: {each.reason}
            </span>
            <span className="muted" title={`${exact(each.starts_at)} to ${exact(each.ends_at)}`}>
              {each.active ? "ends " : "begins "}
              <Ago at={each.active ? each.ends_at : each.starts_at} ahead />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
