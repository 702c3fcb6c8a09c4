/** Make or change a freeze: for whom, from when, until when, why. */

import { Group, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { useGroups } from "@/api/queries";
import type { Freeze } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { DAY, now } from "@/lib/time";
import { count, plural } from "@/lib/words";
import { useTotals } from "@/modules/fleet/store";
import { useWindowActions } from "@/modules/windows/actions";
import classes from "@/modules/windows/windows.module.css";

const ALL = "all";

/** A moment as `datetime-local` fields write it, on the viewer's clock. */
function local(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

interface Props {
  freeze?: Freeze;
  onClose: () => void;
}

export function FreezeForm({ freeze, onClose }: Props) {
  const actions = useWindowActions();
  const groups = useGroups();
  const totals = useTotals();
  const [scope, setScope] = useState(freeze?.group_id ?? ALL);
  const [reason, setReason] = useState(freeze?.reason ?? "");
  const [from, setFrom] = useState(local(freeze === undefined ? now() : Date.parse(freeze.starts_at)));
  const [until, setUntil] = useState(
    local(freeze === undefined ? now() + 7 * DAY : Date.parse(freeze.ends_at)),
  );
  const group = groups.find((each) => each.id === scope);
  const hosts = scope === ALL ? totals?.hosts : group?.host_count;
  const submit = async () => {
    const times = { starts_at: new Date(from).toISOString(), ends_at: new Date(until).toISOString() };
    if (freeze === undefined)
      await actions.freeze({ group_id: scope === ALL ? null : scope, reason: reason.trim(), ...times });
    else await actions.changeFreeze(freeze, { reason: reason.trim(), ...times });
    onClose();
  };
  return (
    <FormDialog
      title={freeze === undefined ? "New freeze" : "Change the freeze"}
      label={freeze === undefined ? "Freeze" : "Save"}
      ready={reason.trim() !== "" && from !== "" && until !== ""}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          <Select
            label="Concerns"
            description={
              freeze === undefined
                ? "Nothing starts on these hosts."
                : "Who it is for cannot be changed: make another."
            }
            allowDeselect={false}
            searchable
            disabled={freeze !== undefined}
            data={[
              { value: ALL, label: `All hosts${totals === null ? "" : ` (${count(totals.hosts)})`}` },
              ...groups.map((each) => ({
                value: each.id,
                label: `${each.name} (${count(each.host_count)})`,
              })),
            ]}
            value={scope}
            error={field("group_id")}
            onChange={(value) => value !== null && setScope(value)}
          />
          <TextInput
            label="Reason"
            description="Shown at every job that it holds."
            placeholder="Quarter end"
            required
            maxLength={200}
            data-autofocus
            value={reason}
            error={field("reason")}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Group grow gap="sm" align="flex-start">
            <TextInput
              type="datetime-local"
              label="From"
              required
              value={from}
              error={field("starts_at")}
              onChange={(event) => setFrom(event.currentTarget.value)}
            />
            <TextInput
              type="datetime-local"
              label="Until"
              required
              value={until}
              error={field("ends_at")}
              onChange={(event) => setUntil(event.currentTarget.value)}
            />
          </Group>
          <p className="muted">
            Times are on your clock. What runs already goes on to its end; a reboot that would follow is not
            asked for.
          </p>
          {hosts !== undefined && (
            <p className={classes.ruleWords}>
              {plural(hosts, "host")} {hosts === 1 ? "is" : "are"} held in that time.
            </p>
          )}
        </>
      )}
    </FormDialog>
  );
}
