/** Choose hosts by the same filters as in the host list, in a dialog of its own. */
import { Button, Group, Modal } from "@mantine/core";
import { useMemo, useState, useSyncExternalStore } from "react";
import { DataTable } from "@/components/DataTable";
import { plural } from "@/lib/words";
import { type HostFilter, NO_FILTER } from "@/modules/fleet/filters";
import { Selection } from "@/modules/fleet/selection";
import { HOST_COLUMNS } from "@/modules/hosts/columns";
import { FilterBar } from "@/modules/hosts/FilterBar";
import classes from "@/modules/hosts/Host.module.css";
import { useHostList } from "@/modules/hosts/useHostList";

const SHOWN = new Set(["name", "health", "address", "os", "groups"]);
const VISIBLE = Object.fromEntries(HOST_COLUMNS.map(({ id }) => [id, SHOWN.has(id)]));

interface Props {
  title: string;
  /** What the button says before the number of hosts. */
  label: string;
  note?: string;
  onPick: (ids: string[]) => void;
  onClose: () => void;
}

export function HostPicker({ title, label, note, onPick, onClose }: Props) {
  const [filter, setFilter] = useState<HostFilter>(NO_FILTER);
  const [selection] = useState(() => new Selection());
  const chosen = useSyncExternalStore(selection.subscribe, selection.get);
  const list = useHostList({ filter });
  const ids = useMemo(() => [...chosen], [chosen]);
  const everyOne = list.rows.length > 0 && list.rows.every((row) => chosen.has(row.id));
  return (
    <Modal opened onClose={onClose} size={1040} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <div className={classes.chooser}>
        <FilterBar filter={filter} onChange={setFilter} />
        <DataTable
          label="Hosts to choose"
          columns={HOST_COLUMNS}
          visible={VISIBLE}
          rows={list.rows}
          selected={chosen}
          onSelect={(row) => selection.toggle(row.id)}
          onSelectAll={() => (everyOne ? selection.clear() : selection.add(list.rows.map((row) => row.id)))}
          onOpen={(row) => selection.toggle(row.id)}
          nothing="No host matches. Clear a filter to see more."
        />
        <Group gap="xs">
          <span className="muted">{note}</span>
          <Button ml="auto" variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button disabled={ids.length === 0} onClick={() => onPick(ids)}>
            {label} {ids.length === 0 ? "hosts" : plural(ids.length, "host")}…
          </Button>
        </Group>
      </div>
    </Modal>
  );
}
