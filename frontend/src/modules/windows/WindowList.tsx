/** Every window of the fleet in a table: find, change, copy, switch and delete many at once. */

import { Button, Skeleton } from "@mantine/core";
import { lazy, Suspense, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { MaintenanceWindow } from "@/api/types";
import { Chip } from "@/components/Chip";
import { DataTable } from "@/components/DataTable";
import { Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { useQueryParams } from "@/lib/url";
import { count, plural } from "@/lib/words";
import { Selection } from "@/modules/fleet/selection";
import { useTableKeys } from "@/modules/hosts/useTableKeys";
import { STATE_TONES, STATE_WORDS, WINDOW_COLUMNS } from "@/modules/windows/columns";
import {
  chooseWindows,
  KINDS,
  STATES,
  type WindowFilter,
  windowCounts,
  windowFilterFrom,
  windowFilterInto,
} from "@/modules/windows/filter";
import { useWindows } from "@/modules/windows/queries";
import { WindowActions } from "@/modules/windows/WindowActions";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));
const NONE: MaintenanceWindow[] = [];

function toggled<Word>(list: readonly Word[], word: Word): Word[] {
  return list.includes(word) ? list.filter((other) => other !== word) : [...list, word];
}

export function WindowList() {
  const [params, update] = useQueryParams();
  const query = useWindows();
  const windows = query.data ?? NONE;
  const filter = useMemo(() => windowFilterFrom(params), [params]);
  const [sort = "next", direction] = (params.get("sort") ?? "next").split(":");
  const descending = direction === "desc";
  const rows = useMemo(
    () => chooseWindows(windows, filter, sort, descending),
    [windows, filter, sort, descending],
  );
  const counts = useMemo(() => windowCounts(windows), [windows]);
  const [selection] = useState(() => new Selection());
  const selected = useSyncExternalStore(selection.subscribe, selection.get);
  const [edited, setEdited] = useState<MaintenanceWindow | null>(null);
  const chosen = useMemo(() => windows.filter((each) => selected.has(each.id)), [windows, selected]);
  // What was deleted is no longer chosen.
  useEffect(() => {
    if (query.data !== undefined && chosen.length < selected.size)
      selection.set(new Set(chosen.map((each) => each.id)));
  }, [query.data, chosen, selected, selection]);
  const open = (id: string) => setEdited(windows.find((each) => each.id === id) ?? null);
  const table = useTableKeys({ rows, selection, onOpen: open });
  const setFilter = (next: WindowFilter) => update((before) => windowFilterInto(before, next));
  const setSort = (column: string) =>
    update((before) => {
      before.set("sort", column === sort && !descending ? `${column}:desc` : column);
      return before;
    });
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the windows" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  return (
    <>
      <div className={page.toolbar} role="search">
        <SearchField
          label="Search windows"
          placeholder="Host, name, zone, rule"
          value={filter.q}
          onChange={(q) => setFilter({ ...filter, q })}
        />
        {STATES.map((state) => (
          <Chip
            key={state}
            on={filter.state.includes(state)}
            number={counts.get(state) ?? 0}
            tone={STATE_TONES[state]}
            onToggle={() => setFilter({ ...filter, state: toggled(filter.state, state) })}
          >
            {STATE_WORDS[state]}
          </Chip>
        ))}
        {KINDS.map((kind) => (
          <Chip
            key={kind}
            on={filter.kind.includes(kind)}
            number={counts.get(kind) ?? 0}
            onToggle={() => setFilter({ ...filter, kind: toggled(filter.kind, kind) })}
          >
            {kind}
          </Chip>
        ))}
      </div>
      <div className={page.toolbar}>
        <span role="status">
          {rows.length === windows.length
            ? plural(windows.length, "window")
            : `${count(rows.length)} of ${plural(windows.length, "window")}`}
          {selected.size > 0 && `, ${count(selected.size)} selected`}
        </span>
        {selected.size > 0 && (
          <Button variant="subtle" size="compact-sm" onClick={() => selection.clear()}>
            Clear
          </Button>
        )}
        <div className={page.spacer} />
        <WindowActions windows={chosen} onDone={() => selection.clear()} />
      </div>
      <div className="fill">
        <DataTable
          label="Windows"
          columns={WINDOW_COLUMNS}
          rows={rows}
          sort={{ column: sort, descending }}
          onSort={setSort}
          selected={selected}
          onSelect={table.select}
          onSelectAll={table.selectAll}
          active={table.active}
          onActivate={table.setActive}
          onOpen={setEdited}
          nothing="No window matches. Clear a filter to see more."
        />
      </div>
      <Suspense>
        {edited !== null && <WindowEditor windows={[edited]} onClose={() => setEdited(null)} />}
      </Suspense>
    </>
  );
}
