/** A reboot alone: what happens, now or in the window. */

import { TextInput } from "@mantine/core";
import { useState } from "react";
import type { HostRow } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { Notice } from "@/components/Notice";
import { AT_ONCE, useOperations } from "@/modules/jobs/operations";
import { WhenChoice } from "@/modules/jobs/WhenChoice";

export function RebootHost({ row, onClose }: { row: HostRow; onClose: () => void }) {
  const { reboot } = useOperations();
  const [terms, setTerms] = useState(AT_ONCE);
  const [reason, setReason] = useState("");
  return (
    <Confirm
      title={`Reboot ${row.display_name}?`}
      label={terms.when === "now" ? "Reboot now" : "Reboot in the window"}
      danger
      disabled={row.reboot_hold}
      onClose={onClose}
      onConfirm={async () => {
        await reboot(row.id, { ...terms, reason: reason.trim() });
        onClose();
      }}
    >
      {row.reboot_hold && (
        <Notice tone="attention" title="This host is on hold">
          {row.reboot_hold_reason !== "" && `${row.reboot_hold_reason}. `}
          {row.reboot_hold_by} set it; lift the hold first.
        </Notice>
      )}
      <p>
        Everything on this machine stops for as long as it takes to come back. The reboot waits for jobs that
        run on its agent, is asked for once, and counts as done when the machine answers with a smaller
        uptime.
      </p>
      <WhenChoice host={row.id} terms={terms} onTerms={setTerms} />
      <TextInput
        label="Reason"
        description="For whoever reads the job later; may stay empty."
        maxLength={500}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
    </Confirm>
  );
}
