/** Make or rename a group. */

import { TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Group } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";

export function GroupForm({ group, onClose }: { group: Group | null; onClose: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(group?.name ?? "");
  const [description, setDescription] = useState(group?.description ?? "");
  const submit = async () => {
    const body = { name: name.trim(), description: description.trim() };
    const saved =
      group === null
        ? await api.post<Group>("groups", body)
        : await api.send<Group>("PATCH", `groups/${group.id}`, { body });
    await queries.invalidateQueries({ queryKey: keys.groups });
    onClose();
    if (group === null) void navigate(`/groups/${saved.id}`);
  };
  return (
    <FormDialog
      title={group === null ? "New group" : `Edit ${group.name}`}
      label={group === null ? "Create group" : "Save"}
      ready={name.trim() !== ""}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          <TextInput
            label="Name"
            description="Unique, whatever the case of its letters."
            required
            maxLength={100}
            data-autofocus
            value={name}
            error={field("name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="Description"
            maxLength={1000}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
        </>
      )}
    </FormDialog>
  );
}
