/** Hosts that no window ever opens on, and the way to give them one, many at once. */

import { Button, Select, Skeleton } from "@mantine/core";
import { lazy, Suspense, useMemo, useState, useSyncExternalStore } from "react";
import { Link, useNavigate } from "react-router";
import { useGroups } from "@/api/queries";
import { DataTable } from "@/components/DataTable";
import { Empty, Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { useQueryParams } from "@/lib/url";
import { count, plural } from "@/lib/words";
import { type HostFilter, NO_FILTER } from "@/modules/fleet/filters";
import { Selection } from "@/modules/fleet/selection";
import { HOST_COLUMNS } from "@/modules/hosts/columns";
import { useHostList } from "@/modules/hosts/useHostList";
import { useTableKeys } from "@/modules/hosts/useTableKeys";
import { useHostsWithoutWindow } from "@/modules/windows/queries";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));
const SHOWN = new Set(["name", "address", "health", "patches", "oldest", "os", "groups"]);
const VISIBLE = Object.fromEntries(HOST_COLUMNS.map(({ id }) => [id, SHOWN.has(id)]));

export function HostsWithout() {
  const [params, update] = useQueryParams();
  const navigate = useNavigate();
  const groups = useGroups();
  const query = useHostsWithoutWindow();
  const q = params.get("q") ?? "";
  const group = params.get("group");
  const filter = useMemo<HostFilter>(() => ({ ...NO_FILTER, q, group }), [q, group]);
  const without = useMemo(() => new Set((query.data ?? []).map((host) => host.id)), [query.data]);
  const list = useHostList({ filter, only: without });
  const [selection] = useState(() => new Selection());
  const selected = useSyncExternalStore(selection.subscribe, selection.get);
  const [giving, setGiving] = useState<readonly string[] | null>(null);
  const table = useTableKeys({
    rows: list.rows,
    selection,
    onOpen: (id) => void navigate(`/hosts/${id}?tab=windows`),
  });
  const put = (name: string, value: string | null) =>
    update((before) => {
      if (value === null || value === "") before.delete(name);
      else before.set(name, value);
      return before;
    });
  const chosen = list.rows.filter((row) => selected.has(row.id)).map((row) => row.id);
  const targets = chosen.length > 0 ? chosen : list.rows.map((row) => row.id);

  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the hosts" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  if (query.data.length === 0) {
    return (
      <Empty
        title="Every host has a window"
        actions={
          <Button component={Link} to="/windows" variant="default">
            Calendar
          </Button>
        }
      >
        <p>Whatever is deployed for windows will start on each of them.</p>
      </Empty>
    );
  }
  return (
    <>
      <div className={page.toolbar} role="search">
        <SearchField
          label="Search hosts"
          placeholder="Name, address, system"
          value={q}
          onChange={(text) => put("q", text)}
        />
        <Select
          size="xs"
          w={170}
          aria-label="Group"
          placeholder="Any group"
          clearable
          searchable
          data={[
            ...groups.map((each) => ({ value: each.id, label: each.name })),
            { value: "none", label: "No group" },
          ]}
          value={group}
          onChange={(value) => put("group", value)}
        />
        <span role="status">
          {plural(query.data.length, "host")} without a window
          {list.rows.length !== query.data.length && `, ${count(list.rows.length)} shown`}
        </span>
        <span className="muted">What is deployed for windows never starts on them.</span>
        <div className={page.spacer} />
        <Button disabled={targets.length === 0} onClick={() => setGiving(targets)}>
          Give {chosen.length > 0 ? "" : "all "}
          {plural(targets.length, "host")} a window…
        </Button>
      </div>
      <div className="fill">
        <DataTable
          label="Hosts without a window"
          columns={HOST_COLUMNS}
          visible={VISIBLE}
          rows={list.rows}
          selected={selected}
          onSelect={table.select}
          onSelectAll={table.selectAll}
          active={table.active}
          onActivate={table.setActive}
          onOpen={(row) => void navigate(`/hosts/${row.id}?tab=windows`)}
          nothing="No such host is called that."
        />
      </div>
      <Suspense>
        {giving !== null && (
          <WindowEditor hosts={giving} onClose={() => setGiving(null)} onDone={() => selection.clear()} />
        )}
      </Suspense>
    </>
  );
}
