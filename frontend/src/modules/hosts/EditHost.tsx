/** Rename a host, change its port or its groups. */

import { MultiSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { useGroups } from "@/api/queries";
import type { HostRow } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { useHostActions } from "@/modules/hosts/actions";

export function EditHost({ row, onClose }: { row: HostRow; onClose: () => void }) {
  const groups = useGroups();
  const { edit } = useHostActions();
  const [name, setName] = useState(row.display_name);
  const [fqdn, setFqdn] = useState(row.fqdn ?? "");
  const [port, setPort] = useState(String(row.port));
  const [groupIds, setGroupIds] = useState(row.group_ids);

  const submit = async () => {
    await edit(row.id, {
      display_name: name.trim(),
      ...(fqdn.trim() === (row.fqdn ?? "") ? {} : { fqdn: fqdn.trim() || null }),
      port: Number(port),
      ...(sameIds(groupIds, row.group_ids) ? {} : { group_ids: groupIds }),
    });
    onClose();
  };
  return (
    <FormDialog
      title={`Edit ${row.display_name}`}
      label="Save"
      ready={name.trim() !== ""}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          <TextInput
            label="Name"
            required
            data-autofocus
            value={name}
            error={field("display_name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="FQDN"
            description="Goes into the host's certificate beside its address."
            value={fqdn}
            error={field("fqdn")}
            onChange={(event) => setFqdn(event.currentTarget.value)}
          />
          <TextInput
            label="Port"
            required
            inputMode="numeric"
            pattern="[0-9]{1,5}"
            value={port}
            error={field("port")}
            onChange={(event) => setPort(event.currentTarget.value)}
          />
          <MultiSelect
            label="Groups"
            description="Operators of these groups see and patch the host; without one, every operator does."
            searchable
            data={groups.map((group) => ({ value: group.id, label: group.name }))}
            value={groupIds}
            error={field("group_ids")}
            onChange={setGroupIds}
          />
        </>
      )}
    </FormDialog>
  );
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
