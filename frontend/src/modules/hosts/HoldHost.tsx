/** A reboot hold: no job reboots this host until somebody lifts it. */

import { TextInput } from "@mantine/core";
import { useState } from "react";
import type { HostRow } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { useHostActions } from "@/modules/hosts/actions";

export function HoldHost({ row, onClose }: { row: HostRow; onClose: () => void }) {
  const { edit } = useHostActions();
  const [reason, setReason] = useState(row.reboot_hold_reason ?? "");
  const lifting = row.reboot_hold;
  return (
    <Confirm
      title={lifting ? `Lift the hold of ${row.display_name}?` : `Hold ${row.display_name}?`}
      label={lifting ? "Lift the hold" : "Hold"}
      onClose={onClose}
      onConfirm={async () => {
        await edit(
          row.id,
          lifting ? { reboot_hold: false } : { reboot_hold: true, reboot_hold_reason: reason.trim() },
        );
        onClose();
      }}
    >
      {lifting ? (
        <p>
          {row.reboot_hold_by} holds it{row.reboot_hold_reason === "" ? "" : `: ${row.reboot_hold_reason}`}.
          Jobs may reboot it again where they were asked to.
        </p>
      ) : (
        <>
          <p>
            While a host is on hold it is patched, and never rebooted by any job: deployments end with the
            reboot still needed, and a reboot asked for is refused.
          </p>
          <TextInput
            label="Reason"
            description="Shown to everybody who wonders why it was not rebooted."
            data-autofocus
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        </>
      )}
    </Confirm>
  );
}
