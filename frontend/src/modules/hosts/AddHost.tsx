/** Add one host by address; everything else is read from its agent. */

import { MultiSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { useGroups } from "@/api/queries";
import type { HostCreate, HostRow } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { useToasts } from "@/components/toasts";

export default function AddHost({ onClose }: { onClose: () => void }) {
  const api = useApi();
  const toasts = useToasts();
  const groups = useGroups();
  const navigate = useNavigate();
  const [address, setAddress] = useState("");
  const [name, setName] = useState("");
  const [port, setPort] = useState("");
  const [groupIds, setGroupIds] = useState<string[]>([]);

  const submit = async () => {
    const body: HostCreate = { address: address.trim(), group_ids: groupIds };
    if (name.trim() !== "") body.display_name = name.trim();
    if (port !== "") body.port = Number(port);
    const row = await api.post<HostRow>("hosts", body);
    toasts.show("healthy", `${row.display_name} added; its first poll is under way.`);
    onClose();
    void navigate(`/hosts/${row.id}`);
  };

  return (
    <FormDialog
      title="Add a host"
      label="Add host"
      ready={address.trim() !== ""}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          <TextInput
            label="Address"
            description="IPv4 or IPv6; agents are addressed by IP, and their certificate must name it."
            placeholder="192.0.2.10"
            required
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            value={address}
            error={field("address")}
            onChange={(event) => setAddress(event.currentTarget.value)}
          />
          <TextInput
            label="Name"
            description="Shown in lists; without one it is the address."
            autoComplete="off"
            value={name}
            error={field("display_name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="Port"
            description="The agent's port; without one it is that of the settings, 12443."
            inputMode="numeric"
            pattern="[0-9]{1,5}"
            value={port}
            error={field("port")}
            onChange={(event) => setPort(event.currentTarget.value)}
          />
          <MultiSelect
            label="Groups"
            description="Operators of these groups see and patch the host; without one, every operator does."
            data={groups.map((group) => ({ value: group.id, label: group.name }))}
            value={groupIds}
            onChange={setGroupIds}
            searchable
            error={field("group_ids")}
          />
        </>
      )}
    </FormDialog>
  );
}
