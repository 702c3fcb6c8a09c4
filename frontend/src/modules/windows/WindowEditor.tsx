/** Make a window for one host or many, or change windows; what it will do is shown while it is typed. */

import { Button, Checkbox, Group, Modal, Select, TextInput } from "@mantine/core";
import { type FormEvent, useMemo, useState } from "react";
import { messageOf, ProblemError } from "@/api/problem";
import type { MaintenanceWindow, WindowCreate } from "@/api/types";
import { Confirm, mustType } from "@/components/Confirm";
import { Notice } from "@/components/Notice";
import { now } from "@/lib/time";
import { plural } from "@/lib/words";
import { dayKey, viewerZone, wallOf } from "@/lib/zones";
import { useFleet } from "@/modules/fleet/store";
import { useWindowActions } from "@/modules/windows/actions";
import { NextOpenings } from "@/modules/windows/NextOpenings";
import { useNextOpenings, useWindows } from "@/modules/windows/queries";
import { RuleFields } from "@/modules/windows/RuleFields";
import {
  bodyOf,
  type Draft,
  draftOf,
  minutesWords,
  missing,
  ruleKey,
  ruleWords,
  usualDraft,
} from "@/modules/windows/rule";
import classes from "@/modules/windows/windows.module.css";

interface Props {
  /** Hosts that get the window, or windows that are changed. */
  hosts?: readonly string[];
  windows?: readonly MaintenanceWindow[];
  onClose: () => void;
  onDone?: () => void;
}

export default function WindowEditor({ hosts = [], windows = [], onClose, onDone }: Props) {
  const actions = useWindowActions();
  const usual = useMemo(() => usualDraft(dayKey(wallOf(now(), viewerZone()))), []);
  const [first] = windows;
  const [draft, setDraft] = useState<Draft>(first === undefined ? usual : draftOf(first, usual));
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const editing = windows.length > 0;
  const number = editing ? windows.length : hosts.length;
  const words = useTarget(hosts, windows);
  const lacking = missing(draft);
  const body: WindowCreate = bodyOf(draft);
  const next = useNextOpenings(lacking === null ? body : null);
  const problem = (field: string) =>
    [error, next.error]
      .map((each) => (each instanceof ProblemError ? each.field(field) : undefined))
      .find(Boolean);
  const change = (changes: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...changes }));
    setError(null);
  };
  const send = async () => {
    await (editing ? actions.change(windows, body) : actions.give(hosts, body));
    onDone?.();
    onClose();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (lacking !== null) return;
    if (number > 1) {
      setAsking(true);
      return;
    }
    setBusy(true);
    try {
      await send();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  if (asking) {
    return (
      <Confirm
        title={
          editing ? `Change ${plural(number, "window")}?` : `Give ${plural(number, "host")} this window?`
        }
        label={editing ? `Change ${plural(number, "window")}` : `Give it to ${plural(number, "host")}`}
        typed={mustType(number)}
        onClose={() => setAsking(false)}
        onConfirm={send}
      >
        <p>
          {ruleWords(readable(body))}, open for {minutesWords(body.duration_minutes)}, {body.timezone}.
        </p>
        <p>
          {editing
            ? `${plural(number, "window")} get this rule; jobs that wait for them are planned anew.`
            : `${plural(number, "host")} may be patched in it. Jobs that wait for a window there are planned at once.`}
        </p>
      </Confirm>
    );
  }
  return (
    <Modal
      opened
      onClose={onClose}
      size={840}
      title={editing ? `Change the window of ${words}` : `New window for ${words}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={(event) => void submit(event)}>
        <div className={classes.editor}>
          <div className={classes.fields}>
            {!editing && <KnownRules onPick={(window) => change(draftOf(window, usual))} />}
            <TextInput
              label="Name"
              description="Shown in lists and in the messages of jobs that wait for it; may stay empty."
              placeholder="Sunday night"
              data-autofocus
              autoComplete="off"
              maxLength={100}
              value={draft.name}
              error={problem("name")}
              onChange={(event) => change({ name: event.currentTarget.value })}
            />
            <RuleFields draft={draft} onChange={change} problem={problem} />
            <Checkbox
              size="xs"
              label="Enabled"
              description="A window that is off never opens; what waits for it waits for another."
              checked={draft.enabled}
              onChange={(event) => change({ enabled: event.currentTarget.checked })}
            />
          </div>
          <div className={classes.aside}>
            <p className={classes.ruleWords} data-testid="rule-words">
              {ruleWords(readable(body))}
            </p>
            <NextOpenings query={next} body={lacking === null ? body : null} missing={lacking} />
          </div>
        </div>
        {error !== null && <Notice tone="danger" title={messageOf(error)} />}
        <Group justify="flex-end" gap="xs" mt="md">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={lacking !== null}>
            {editing ? "Save" : number > 1 ? `Give it to ${plural(number, "host")}…` : "Create window"}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}

/** The request's rule in the shape that answers have. */
function readable(body: WindowCreate): MaintenanceWindow {
  // A moment without an offset is on the clock of the zone: it reads the same as if that clock were UTC's.
  const once = body.kind === "once" && body.starts_at !== null;
  return {
    ...body,
    weekdays: body.weekdays ?? [],
    ...(once ? { starts_at: `${body.starts_at}Z`, timezone: "UTC" } : {}),
  } as MaintenanceWindow;
}

function useTarget(hosts: readonly string[], windows: readonly MaintenanceWindow[]): string {
  const fleet = useFleet();
  const [host] = hosts;
  const [window] = windows;
  if (windows.length > 1) return plural(windows.length, "host");
  if (window !== undefined) return window.host_name;
  if (hosts.length === 1 && host !== undefined) return fleet.row(host)?.display_name ?? "the host";
  return plural(hosts.length, "host");
}

const MOST_KNOWN = 12;

/** Rules that the fleet has already, the most used first: most windows are like another. */
function KnownRules({ onPick }: { onPick: (window: MaintenanceWindow) => void }) {
  const { data } = useWindows();
  const known = useMemo(() => {
    const found = new Map<string, { window: MaintenanceWindow; hosts: number }>();
    for (const window of data ?? []) {
      if (window.kind === "once" && window.next_opens_at === null) continue;
      const key = ruleKey(window);
      const entry = found.get(key) ?? { window, hosts: 0 };
      entry.hosts += 1;
      found.set(key, entry);
    }
    return [...found.values()].sort((a, b) => b.hosts - a.hosts).slice(0, MOST_KNOWN);
  }, [data]);
  if (known.length === 0) return null;
  return (
    <Select
      label="Like a window the fleet has"
      placeholder="Start from scratch"
      size="sm"
      clearable
      data={known.map(({ window, hosts }) => ({
        value: window.id,
        label: `${window.name === "" ? ruleWords(window) : `${window.name}: ${ruleWords(window)}`}, ${plural(hosts, "host")}`,
      }))}
      onChange={(id) => {
        const chosen = known.find((each) => each.window.id === id);
        if (chosen !== undefined) onPick({ ...chosen.window, enabled: true });
      }}
    />
  );
}
