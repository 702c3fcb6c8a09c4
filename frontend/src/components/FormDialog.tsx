/** A form over the page: sent once, closed by who sends it, and what the server refuses is said at its field. */

import { Button, Group, Modal, Stack } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { messageOf, ProblemError } from "@/api/problem";
import { Notice } from "@/components/Notice";

interface Props {
  title: string;
  /** Of the button that sends it. */
  label: string;
  size?: "lg";
  /** Whether all that is required is there. */
  ready: boolean;
  /** Sends what was entered and closes the form. */
  onSubmit: () => Promise<void>;
  onClose: () => void;
  /** The fields; `field` gives the server's word on one of them. */
  children: (field: (name: string) => string | undefined) => ReactNode;
}

export function FormDialog({ title, label, size, ready, onSubmit, onClose, children }: Props) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await onSubmit();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
      {...(size === undefined ? {} : { size })}
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          {children((name) => (error instanceof ProblemError ? error.field(name) : undefined))}
          {error !== null && <Notice tone="danger" title={messageOf(error)} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={!ready}>
              {label}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
