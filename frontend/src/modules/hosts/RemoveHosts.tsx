/** Removing hosts, with what goes and what stays. */
import { Confirm, mustType } from "@/components/Confirm";
import { plural } from "@/lib/words";
import { useFleet } from "@/modules/fleet/store";
import { useHostActions } from "@/modules/hosts/actions";

interface Props {
  ids: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

export function RemoveHosts({ ids, onClose, onDone }: Props) {
  const fleet = useFleet();
  const { remove } = useHostActions();
  const busy = ids.filter((id) => fleet.row(id)?.job != null).length;
  const what =
    ids.length === 1 ? (fleet.row(ids[0] ?? "")?.display_name ?? "the host") : plural(ids.length, "host");
  return (
    <Confirm
      title={`Remove ${what}?`}
      label={`Remove ${what}`}
      danger
      typed={mustType(ids.length)}
      onClose={onClose}
      onConfirm={async () => {
        await remove(ids);
        onDone();
      }}
    >
      <p>
        {ids.length === 1 ? "It is" : "They are"} no longer polled or patched, and queued jobs there are
        cancelled. Nothing changes on the machines themselves. The audit log keeps what was done.
      </p>
      {busy > 0 && (
        <p>
          {plural(busy, "host")} {busy === 1 ? "has" : "have"} a job in hand; the agent finishes it, but its
          result will not be read.
        </p>
      )}
    </Confirm>
  );
}
