/** Make or rename a group. */

import { Button, Modal, Group as Row, Stack, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf, ProblemError } from "@/api/problem";
import type { Group } from "@/api/types";
import { Notice } from "@/components/Notice";

export function GroupForm({ group, onClose }: { group: Group | null; onClose: () => void }) {
  const api = useApi();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(group?.name ?? "");
  const [description, setDescription] = useState(group?.description ?? "");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const body = { name: name.trim(), description: description.trim() };
    try {
      const saved =
        group === null
          ? await api.post<Group>("groups", body)
          : await api.send<Group>("PATCH", `groups/${group.id}`, { body });
      await queries.invalidateQueries({ queryKey: keys.groups });
      onClose();
      if (group === null) void navigate(`/groups/${saved.id}`);
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  const field = error instanceof ProblemError ? error.field("name") : undefined;
  return (
    <Modal
      opened
      onClose={onClose}
      title={group === null ? "New group" : `Edit ${group.name}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <TextInput
            label="Name"
            description="Unique, whatever the case of its letters."
            required
            maxLength={100}
            data-autofocus
            value={name}
            error={field}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="Description"
            maxLength={1000}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          {error !== null && field === undefined && <Notice tone="danger" title={messageOf(error)} />}
          <Row justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={name.trim() === ""}>
              {group === null ? "Create group" : "Save"}
            </Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  );
}
