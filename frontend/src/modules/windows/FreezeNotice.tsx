/** Freezes that keep something from starting, and an admin's way past them. */
import { Checkbox } from "@mantine/core";
import { useIsAdmin } from "@/api/queries";
import type { Freeze } from "@/api/types";
import { Notice } from "@/components/Notice";
import { useNow } from "@/lib/clock";
import { exact, relative } from "@/lib/time";
import { listed } from "@/lib/words";
import { freezeScope } from "@/modules/windows/words";

interface Props {
  /** What they hold: `this host`, `3 hosts`. */
  held: string;
  freezes: readonly Freeze[];
  /** What happens while they last. */
  meanwhile: string;
  override: boolean;
  onOverride: (override: boolean) => void;
}

export function FreezeNotice({ held, freezes, meanwhile, override, onOverride }: Props) {
  const admin = useIsAdmin();
  const now = useNow();
  return (
    <Notice tone="attention" title={`A freeze holds ${held}: ${listed(freezes.map((each) => each.reason))}`}>
      {freezes.map((each) => (
        <div key={each.id}>
          {freezeScope(each)} until {exact(each.ends_at)} ({relative(each.ends_at, now)}).{" "}
        </div>
      ))}
      {meanwhile}
      {admin ? (
        <Checkbox
          mt="xs"
          size="xs"
          label="Start all the same: override the freeze"
          description="Recorded in the audit log under your name."
          checked={override}
          onChange={(event) => onOverride(event.currentTarget.checked)}
        />
      ) : (
        " An admin can override it."
      )}
    </Notice>
  );
}
