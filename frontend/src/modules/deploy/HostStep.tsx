/** Step one: which hosts. The same filter as in the host list; what is ticked counts. */

import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { useGroups } from "@/api/queries";
import { DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import page from "@/components/page.module.css";
import { useQueryParams } from "@/lib/url";
import { count, listed, plural } from "@/lib/words";
import classes from "@/modules/deploy/Deploy.module.css";
import { PatchSearch } from "@/modules/deploy/PatchSearch";
import { filterFrom, filterInto } from "@/modules/fleet/filters";
import { useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useFleet } from "@/modules/fleet/store";
import { HOST_COLUMNS } from "@/modules/hosts/columns";
import { FilterBar } from "@/modules/hosts/FilterBar";
import { useHostList } from "@/modules/hosts/useHostList";
import { useTableKeys } from "@/modules/hosts/useTableKeys";

const SHOWN = new Set(["name", "health", "patches", "oldest", "reboot", "os", "groups"]);
const VISIBLE = Object.fromEntries(HOST_COLUMNS.map(({ id }) => [id, SHOWN.has(id)]));
const NAMED = 4;

export function HostStep() {
  const selected = useSelectedIds();
  const [open, setOpen] = useState(selected.size === 0);
  return (
    <Panel
      title={
        <>
          <span className={classes.number}>1</span>Hosts: {selected.size === 0 ? "none chosen" : <Summary />}
        </>
      }
      actions={
        <Button variant="default" size="compact-sm" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Close the list" : "Change"}
        </Button>
      }
    >
      {open && <Picker />}
    </Panel>
  );
}

/** `41 hosts: 20 web, 12 database and 9 edge`. */
function Summary() {
  const fleet = useFleet();
  const groups = useGroups();
  const selected = useSelectedIds();
  const words = useMemo(() => {
    const names = new Map(groups.map((group) => [group.id, group.name]));
    const counts = new Map<string, number>();
    for (const id of selected) {
      const row = fleet.row(id);
      if (row === undefined) continue;
      const name = names.get(row.group_ids[0] ?? "") ?? "in no group";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const parts = [...counts].sort((a, b) => b[1] - a[1]).map(([name, number]) => `${count(number)} ${name}`);
    if (selected.size <= NAMED) return listed([...selected].map((id) => fleet.row(id)?.display_name ?? "?"));
    const rest = parts.length - NAMED;
    return listed(rest > 0 ? [...parts.slice(0, NAMED), `${rest} other groups`] : parts);
  }, [fleet, groups, selected]);
  return (
    <>
      {plural(selected.size, "host")} <span className="muted">({words})</span>
    </>
  );
}

function Picker() {
  const [params, update] = useQueryParams();
  const filter = useMemo(() => filterFrom(params), [params]);
  const selection = useSelection();
  const selected = useSelectedIds();
  const list = useHostList({ filter });
  const keys = useTableKeys({ rows: list.rows, selection, onOpen: (id) => selection.toggle(id) });
  return (
    <div className={classes.body}>
      <FilterBar filter={filter} onChange={(next) => update((query) => filterInto(query, next))} />
      <PatchSearch />
      <div className={page.toolbar}>
        <Button
          variant="default"
          size="compact-sm"
          disabled={list.rows.length === 0}
          onClick={() => selection.add(list.rows.map((row) => row.id))}
        >
          Choose all {plural(list.rows.length, "host")} of this list
        </Button>
        <Button
          variant="subtle"
          size="compact-sm"
          disabled={selected.size === 0}
          onClick={() => selection.clear()}
        >
          Choose none
        </Button>
      </div>
      <div
        className={classes.picker}
        onPointerEnter={() => list.hold(true)}
        onPointerLeave={() => list.hold(false)}
      >
        <DataTable
          label="Hosts to deploy to"
          columns={HOST_COLUMNS}
          visible={VISIBLE}
          rows={list.rows}
          selected={selected}
          onSelect={keys.select}
          onSelectAll={keys.selectAll}
          active={keys.active}
          onActivate={keys.setActive}
          onOpen={(row) => selection.toggle(row.id)}
          nothing="No host matches. Clear a filter to see more."
        />
      </div>
    </div>
  );
}
