/** Make or renew an exclusion: what, where, who answers for it, why, until when. */

import { Select, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import { useGroups, useIsAdmin } from "@/api/queries";
import type { Exclusion } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { DAY, now } from "@/lib/time";
import { naturally } from "@/lib/words";
import { useFleet } from "@/modules/fleet/store";
import { useExclusionActions } from "@/modules/policies/queries";
import { exclusionPlace } from "@/modules/policies/words";

const ALL = "all";
const USUAL_DAYS = 30;
const LONGEST_DAYS = 366;

/** The day of a moment on the viewer's clock, as date fields write it. */
function dayOf(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

/** The end of that day on the viewer's clock. */
function endOf(day: string): string {
  return new Date(`${day}T23:59:59`).toISOString();
}

interface Props {
  exclusion?: Exclusion;
  /** Begin with this package and host. */
  start?: { package: string; host: string };
  onClose: () => void;
}

export function ExclusionForm({ exclusion, start, onClose }: Props) {
  const actions = useExclusionActions();
  const admin = useIsAdmin();
  const [name, setName] = useState(exclusion?.package ?? start?.package ?? "");
  const places = usePlaces(admin);
  const [place, setPlace] = useState<string | null>(start === undefined ? null : `host:${start.host}`);
  const [owner, setOwner] = useState(exclusion?.owner ?? "");
  const [reason, setReason] = useState(exclusion?.reason ?? "");
  const [until, setUntil] = useState(
    dayOf(exclusion === undefined ? now() + USUAL_DAYS * DAY : Date.parse(exclusion.expires_at)),
  );
  const ready =
    name.trim() !== "" &&
    owner.trim() !== "" &&
    reason.trim() !== "" &&
    until !== "" &&
    (exclusion !== undefined || place !== null);
  const submit = async () => {
    const body = { owner: owner.trim(), reason: reason.trim(), expires_at: endOf(until) };
    const [kind, id] = (place ?? ALL).split(":");
    if (exclusion !== undefined) await actions.change(exclusion, body);
    else
      await actions.create({
        ...body,
        package: name.trim(),
        host_id: kind === "host" ? (id ?? null) : null,
        group_id: kind === "group" ? (id ?? null) : null,
      });
    onClose();
  };
  return (
    <FormDialog
      title={exclusion === undefined ? "New exclusion" : `Change the exclusion of ${exclusion.package}`}
      label={exclusion === undefined ? "Exclude" : "Save"}
      ready={ready}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          {exclusion === undefined ? (
            <>
              <TextInput
                label="Package"
                description="A name, or a pattern: * stands for any characters, as in linux-image-*."
                required
                maxLength={256}
                spellCheck={false}
                data-autofocus
                value={name}
                error={field("package")}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <Select
                label="Where"
                description="Nothing patches it there: no deployment, no policy."
                placeholder="Choose a group or a host"
                required
                searchable
                limit={60}
                data={places}
                value={place}
                error={field("group_id") ?? field("host_id")}
                onChange={setPlace}
              />
            </>
          ) : (
            <p className="muted">
              {exclusionPlace(exclusion)}. Another package or place is another exclusion.
            </p>
          )}
          <TextInput
            label="Owner"
            description="Who answers for it: a person or a team, to be asked before it ends."
            placeholder="Database team"
            required
            maxLength={200}
            value={owner}
            error={field("owner")}
            onChange={(event) => setOwner(event.currentTarget.value)}
          />
          <TextInput
            label="Reason"
            description="Shown wherever the package is left out."
            placeholder="The vendor supports 15.4 only"
            required
            maxLength={500}
            value={reason}
            error={field("reason")}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <TextInput
            type="date"
            label="Until the end of"
            description="A year at most: what nobody looks at again leaves a hole open. Renewing takes a moment."
            required
            min={dayOf(now())}
            max={dayOf(now() + (LONGEST_DAYS - 1) * DAY)}
            value={until}
            error={field("expires_at")}
            onChange={(event) => setUntil(event.currentTarget.value)}
          />
        </>
      )}
    </FormDialog>
  );
}

function usePlaces(admin: boolean) {
  const groups = useGroups();
  const fleet = useFleet();
  return useMemo(() => {
    const hosts = [...fleet.rows.values()]
      .map((row) => ({ value: `host:${row.id}`, label: row.display_name }))
      .sort((a, b) => naturally.compare(a.label, b.label));
    return [
      ...(admin ? [{ group: "Everywhere", items: [{ value: ALL, label: "All hosts" }] }] : []),
      { group: "Groups", items: groups.map((each) => ({ value: `group:${each.id}`, label: each.name })) },
      { group: "Hosts", items: hosts },
    ];
  }, [admin, groups, fleet]);
}
