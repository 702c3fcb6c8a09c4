/** The one question before something cannot be taken back: the consequence in numbers, typed when they are large. */

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { messageOf } from "@/api/problem";
import { Notice } from "@/components/Notice";
import { count } from "@/lib/words";

/** Above this many hosts the number must be typed. */
export const TYPED_ABOVE_HOSTS = 50;
/** Above this many reboots the number must be typed. */
export const TYPED_ABOVE_REBOOTS = 10;

/** The number to type before work on `hosts` hosts with `reboots` reboots; null when a click is enough. */
export function mustType(hosts: number, reboots = 0): number | null {
  return hosts > TYPED_ABOVE_HOSTS || reboots > TYPED_ABOVE_REBOOTS ? hosts : null;
}

interface Props {
  title: string;
  children: ReactNode;
  label: string;
  danger?: boolean;
  /** Something else has to be chosen or known first. */
  disabled?: boolean;
  /** Ask for this number to be typed. */
  typed?: number | null;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export function Confirm({
  title,
  children,
  label,
  danger = false,
  disabled = false,
  typed = null,
  onConfirm,
  onClose,
}: Props) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ready = !disabled && (typed === null || text.replaceAll(/[,.\s]/g, "") === String(typed));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          {children}
          {typed !== null && (
            <TextInput
              label={`Type ${count(typed)}, the number of hosts, to confirm`}
              inputMode="numeric"
              autoComplete="off"
              data-autofocus
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
            />
          )}
          {problem !== null && <Notice tone="danger" title={problem} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              type="submit"
              color={danger ? "red" : undefined}
              loading={busy}
              disabled={!ready}
              data-autofocus={typed === null ? true : undefined}
            >
              {label}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
