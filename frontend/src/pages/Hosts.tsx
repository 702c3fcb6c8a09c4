/** Which hosts? Filters, order, columns and selection are all in the address. */

import { Button, Menu, Skeleton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { useGroups } from "@/api/queries";
import { Chip } from "@/components/Chip";
import { DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import page from "@/components/page.module.css";
import { useQueryParams } from "@/lib/url";
import { count, plural } from "@/lib/words";
import { filterFrom, filterInto, type HostFilter, isFiltered } from "@/modules/fleet/filters";
import { fromFragment, toFragment, useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useSelectionInAddress } from "@/modules/fleet/selectionInAddress";
import { useFleet, useFleetLoaded, useTotals } from "@/modules/fleet/store";
import { useHostActions } from "@/modules/hosts/actions";
import { ColumnChooser } from "@/modules/hosts/ColumnChooser";
import { HOST_COLUMNS, usualColumns } from "@/modules/hosts/columns";
import { EmptyFleet } from "@/modules/hosts/EmptyFleet";
import { FilterBar } from "@/modules/hosts/FilterBar";
import { RemoveHosts } from "@/modules/hosts/RemoveHosts";
import { useHostList } from "@/modules/hosts/useHostList";
import { useTableKeys } from "@/modules/hosts/useTableKeys";
import { useTitle } from "@/modules/shell/title";

const AddHost = lazy(() => import("@/modules/hosts/AddHost"));
const WIDE = "(min-width: 1600px)";

export default function Hosts() {
  useTitle("Hosts");
  const fleet = useFleet();
  const loaded = useFleetLoaded();
  const totals = useTotals();
  const navigate = useNavigate();
  const [params, update] = useQueryParams();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState(false);
  const selection = useSelection();
  const selected = useSelectedIds();
  useSelectionInLink();

  const filter = useMemo(() => filterFrom(params), [params]);
  const [sort = "health", direction] = (params.get("sort") ?? "health").split(":");
  const descending = direction === "desc";
  const usual = usualColumns(useMediaQuery(WIDE, undefined, { getInitialValueInEffect: false })).join(",");
  const columns = (params.get("columns") ?? usual).split(",");
  const visible = Object.fromEntries(
    HOST_COLUMNS.map(({ id }) => [id, id === "name" || columns.includes(id)]),
  );
  const visibleKey = columns.join(",");
  // The table's identity must not change while its columns do not.
  // biome-ignore lint/correctness/useExhaustiveDependencies: visibleKey says all of it
  const stableVisible = useMemo(() => visible, [visibleKey]);
  const onlySelected = params.get("only") === "selected";
  const list = useHostList({ filter, sort, descending, only: onlySelected ? selected : null });

  const put = (name: string, value: string | null) =>
    update((query) => {
      if (value === null) query.delete(name);
      else query.set(name, value);
      return query;
    });
  const setFilter = (next: HostFilter) => update((query) => filterInto(query, next));
  const setSort = (column: string) => put("sort", column === sort && !descending ? `${column}:desc` : column);
  const setColumns = (next: Record<string, boolean>) => {
    const chosen = HOST_COLUMNS.filter(({ id }) => next[id]).map(({ id }) => id);
    put("columns", chosen.join(",") === usual ? null : chosen.join(","));
  };
  const keys = useTableKeys({ rows: list.rows, selection, onOpen: (id) => void navigate(`/hosts/${id}`) });

  if (totals?.hosts === 0) return <EmptyFleet />;
  const shownOf = `${count(list.rows.length)} of ${plural(totals?.hosts ?? 0, "host")}`;
  return (
    <div className="page full">
      <FilterBar filter={filter} onChange={setFilter} />
      <div className={page.toolbar}>
        <span role="status">
          {isFiltered(filter) || onlySelected ? shownOf : plural(totals?.hosts ?? 0, "host")}
        </span>
        {onlySelected && (
          <Chip on onToggle={() => put("only", null)}>
            Only selected
          </Chip>
        )}
        {list.pending > 0 && (
          <Button variant="light" size="compact-sm" onClick={list.update}>
            {plural(list.pending, "row")} moved: update
          </Button>
        )}
        <div className={page.spacer} />
        <BulkActions ids={[...selected]} onRemove={() => setRemoving(true)} />
        <Button
          leftSection={<Icon name="plus" size={14} />}
          variant="default"
          onClick={() => setAdding(true)}
        >
          Add host
        </Button>
        <ColumnChooser columns={HOST_COLUMNS} visible={stableVisible} onChange={setColumns} />
      </div>
      {loaded ? (
        <div className="fill" onPointerEnter={() => list.hold(true)} onPointerLeave={() => list.hold(false)}>
          <DataTable
            label="Hosts"
            columns={HOST_COLUMNS}
            rows={list.rows}
            visible={stableVisible}
            sort={{ column: sort, descending }}
            onSort={setSort}
            selected={selected}
            onSelect={keys.select}
            onSelectAll={keys.selectAll}
            active={keys.active}
            onActivate={keys.setActive}
            onOpen={(row) => void navigate(`/hosts/${row.id}`)}
            nothing="No host matches. Clear a filter to see more."
          />
        </div>
      ) : (
        <Skeleton className="fill" />
      )}
      <Suspense>{adding && <AddHost onClose={() => setAdding(false)} />}</Suspense>
      {removing && (
        <RemoveHosts
          ids={[...selected].filter((id) => fleet.row(id) !== undefined)}
          onClose={() => setRemoving(false)}
          onDone={() => {
            selection.clear();
            setRemoving(false);
          }}
        />
      )}
    </div>
  );
}

/** The selection in the address's fragment: read once the fleet is there, written a moment after it changed. */
function useSelectionInLink(): void {
  const fleet = useFleet();
  const loaded = useFleetLoaded();
  const selection = useSelection();
  const { hash } = useLocation();
  const [read, setRead] = useState(false);
  useEffect(() => {
    if (!loaded || read) return;
    setRead(true);
    const ids = fromFragment(hash, fleet.rows.keys());
    if (ids.length > 0) selection.set(new Set(ids));
  }, [loaded, read, fleet, hash, selection]);
  useSelectionInAddress(read);
}

function BulkActions({ ids, onRemove }: { ids: string[]; onRemove: () => void }) {
  const groups = useGroups();
  const actions = useHostActions();
  const selection = useSelection();
  const fleet = useFleet();
  const navigate = useNavigate();
  const none = ids.length === 0;
  return (
    <>
      {!none && (
        <>
          <strong role="status">{count(ids.length)} selected</strong>
          <Button variant="subtle" size="compact-sm" onClick={() => selection.clear()}>
            Clear
          </Button>
        </>
      )}
      <Button disabled={none} onClick={() => void navigate(`/deploy${toFragment(ids, fleet.rows.keys())}`)}>
        Deploy
      </Button>
      <Button variant="default" disabled={none} onClick={() => void actions.refresh(ids)}>
        Refresh
      </Button>
      <Menu>
        <Menu.Target>
          <Button variant="default" disabled={none} rightSection={<Icon name="down" size={12} />}>
            More
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Add to a group</Menu.Label>
          {groups.map((group) => (
            <Menu.Item key={group.id} onClick={() => void actions.join(ids, group.id)}>
              {group.name}
            </Menu.Item>
          ))}
          {groups.length === 0 && <Menu.Item disabled>There is no group yet</Menu.Item>}
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<Icon name="trash" size={14} />} onClick={onRemove}>
            Remove…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
