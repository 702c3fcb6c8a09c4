/** One group: its hosts, live, and who else belongs in. */

import { Button, Menu, Modal, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { useIsAdmin } from "@/api/queries";
import type { Group } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import page from "@/components/page.module.css";
import { plural } from "@/lib/words";
import { type HostFilter, NO_FILTER } from "@/modules/fleet/filters";
import { toFragment, useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useFleet } from "@/modules/fleet/store";
import { GroupForm } from "@/modules/groups/GroupForm";
import classes from "@/modules/groups/groups.module.css";
import { useHostActions } from "@/modules/hosts/actions";
import { HOST_COLUMNS } from "@/modules/hosts/columns";
import { useHostList } from "@/modules/hosts/useHostList";
import { useTableKeys } from "@/modules/hosts/useTableKeys";

const SHOWN = new Set(["name", "health", "address", "patches", "oldest", "os", "activity", "seen"]);
const VISIBLE = Object.fromEntries(HOST_COLUMNS.map(({ id }) => [id, SHOWN.has(id)]));
const FEW = new Set(["name", "address", "os", "groups"]);
const VISIBLE_FEW = Object.fromEntries(HOST_COLUMNS.map(({ id }) => [id, FEW.has(id)]));

export function GroupPage({ group }: { group: Group }) {
  const admin = useIsAdmin();
  const fleet = useFleet();
  const navigate = useNavigate();
  const selection = useSelection();
  const selected = useSelectedIds();
  const { leave } = useHostActions();
  const [open, setOpen] = useState<"add" | "edit" | "delete" | null>(null);
  const filter = useMemo<HostFilter>(() => ({ ...NO_FILTER, group: group.id }), [group.id]);
  const list = useHostList({ filter });
  const table = useTableKeys({ rows: list.rows, selection, onOpen: (id) => void navigate(`/hosts/${id}`) });
  const chosen = list.rows.filter((row) => selected.has(row.id)).map((row) => row.id);
  const close = () => setOpen(null);
  const all = list.rows.map((row) => row.id);
  return (
    <>
      <div className={page.toolbar}>
        <span>
          {plural(list.rows.length, "host")}, {plural(group.user_count, "user")}
        </span>
        {group.description !== "" && <span className="muted">{group.description}</span>}
        {list.pending > 0 && (
          <Button variant="light" size="compact-sm" onClick={list.update}>
            {plural(list.pending, "row")} moved: update
          </Button>
        )}
        <div className={page.spacer} />
        <Button
          disabled={all.length === 0}
          onClick={() =>
            void navigate(`/deploy${toFragment(chosen.length > 0 ? chosen : all, fleet.rows.keys())}`)
          }
        >
          Deploy to {chosen.length > 0 ? plural(chosen.length, "host") : "the group"}
        </Button>
        <Button variant="default" disabled={chosen.length === 0} onClick={() => void leave(chosen, group.id)}>
          Take out of the group
        </Button>
        <Button variant="default" onClick={() => setOpen("add")}>
          Add hosts
        </Button>
        {admin && (
          <Menu>
            <Menu.Target>
              <Button variant="default" rightSection={<Icon name="down" size={12} />}>
                More
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<Icon name="edit" size={14} />} onClick={() => setOpen("edit")}>
                Rename…
              </Menu.Item>
              <Menu.Item
                color="red"
                leftSection={<Icon name="trash" size={14} />}
                onClick={() => setOpen("delete")}
              >
                Delete…
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </div>
      <div className="fill" onPointerEnter={() => list.hold(true)} onPointerLeave={() => list.hold(false)}>
        <DataTable
          label="Hosts of the group"
          columns={HOST_COLUMNS}
          visible={VISIBLE}
          rows={list.rows}
          selected={selected}
          onSelect={table.select}
          onSelectAll={table.selectAll}
          active={table.active}
          onActivate={table.setActive}
          onOpen={(row) => void navigate(`/hosts/${row.id}`)}
          nothing="No host is in this group yet. Add some."
        />
      </div>
      {open === "add" && <AddMembers group={group} onClose={close} />}
      {open === "edit" && <GroupForm group={group} onClose={close} />}
      {open === "delete" && <DeleteGroup group={group} hosts={list.rows.length} onClose={close} />}
    </>
  );
}

function AddMembers({ group, onClose }: { group: Group; onClose: () => void }) {
  const fleet = useFleet();
  const { join } = useHostActions();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const filter = useMemo<HostFilter>(() => ({ ...NO_FILTER, q: text }), [text]);
  const list = useHostList({ filter });
  const rows = useMemo(
    () => list.rows.filter((row) => fleet.row(row.id)?.group_ids.includes(group.id) === false),
    [list.rows, fleet, group.id],
  );
  const toggle = (row: { id: string }) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(row.id)) after.add(row.id);
      return after;
    });
  const add = async () => {
    setBusy(true);
    await join([...chosen], group.id);
    onClose();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      size={820}
      title={`Add hosts to ${group.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <div className={classes.add}>
        <TextInput
          aria-label="Search hosts"
          placeholder="Name, address, system"
          data-autofocus
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <div className={classes.list}>
          <DataTable
            label="Hosts to add"
            columns={HOST_COLUMNS}
            visible={VISIBLE_FEW}
            rows={rows}
            selected={chosen}
            onSelect={toggle}
            onSelectAll={() =>
              setChosen(
                rows.every((row) => chosen.has(row.id)) ? new Set() : new Set(rows.map((row) => row.id)),
              )
            }
            onOpen={toggle}
            nothing="No other host is called that."
          />
        </div>
        <div className={page.toolbar}>
          <span className="muted">Operators of {group.name} will see and patch what you add.</span>
          <div className={page.spacer} />
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={busy} disabled={chosen.size === 0} onClick={() => void add()}>
            Add {plural(chosen.size, "host")}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function DeleteGroup({ group, hosts, onClose }: { group: Group; hosts: number; onClose: () => void }) {
  const api = useApi();
  const fleet = useFleet();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const orphans = [...fleet.rows.values()].filter(
    (row) => row.group_ids.length === 1 && row.group_ids[0] === group.id,
  ).length;
  return (
    <Confirm
      title={`Delete the group ${group.name}?`}
      label="Delete the group"
      danger
      typed={orphans > 50 ? orphans : null}
      onClose={onClose}
      onConfirm={async () => {
        await api.send("DELETE", `groups/${group.id}`);
        void navigate("/groups");
        await queries.invalidateQueries({ queryKey: keys.groups });
      }}
    >
      <p>
        {plural(hosts, "host")} and {plural(group.user_count, "user")} leave it; no host is removed.
      </p>
      {orphans > 0 && (
        <p>
          {plural(orphans, "host")} {orphans === 1 ? "is" : "are"} in no other group: afterwards every
          operator sees and patches {orphans === 1 ? "it" : "them"}.
        </p>
      )}
    </Confirm>
  );
}
