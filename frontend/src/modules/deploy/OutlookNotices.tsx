/** What stands in the way of starting, and what can be done about it right there. */
import { Button, Checkbox, Group } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { useIsAdmin } from "@/api/queries";
import { Notice } from "@/components/Notice";
import { useNow } from "@/lib/clock";
import { exact, relative } from "@/lib/time";
import { listed, plural } from "@/lib/words";
import type { Outlook } from "@/modules/deploy/outlook";
import type { When } from "@/modules/deploy/plan";
import { freezeScope } from "@/modules/windows/words";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));
const NAMED = 4;

interface Props {
  outlook: Outlook | undefined;
  when: When;
  override: boolean;
  onOverride: (override: boolean) => void;
  onLeaveOut: (ids: readonly string[]) => void;
}

export function OutlookNotices({ outlook, when, override, onOverride, onLeaveOut }: Props) {
  const admin = useIsAdmin();
  const now = useNow();
  const [giving, setGiving] = useState(false);
  if (outlook === undefined) return null;
  const { windowless, outside, frozen, freezes } = outlook;
  const ids = windowless.map((host) => host.host_id);
  const names = windowless.length <= NAMED ? `: ${listed(windowless.map((host) => host.display_name))}` : "";
  return (
    <>
      {when === "window" && windowless.length > 0 && (
        <Notice
          tone="attention"
          title={`${plural(windowless.length, "host has", "hosts have")} no window${names}`}
        >
          {windowless.length === 1 ? "Its job waits" : "Their jobs wait"} until somebody gives{" "}
          {windowless.length === 1 ? "it" : "them"} one.
          <Group gap="xs" mt="xs">
            <Button variant="default" onClick={() => setGiving(true)}>
              Give {windowless.length === 1 ? "it" : `the ${plural(windowless.length, "host")}`} a window…
            </Button>
            <Button variant="default" onClick={() => onLeaveOut(ids)}>
              Leave {windowless.length === 1 ? "it" : "them"} out
            </Button>
          </Group>
        </Notice>
      )}
      {when === "now" && outside.length > 0 && (
        <p className="muted" data-testid="outside-windows">
          {plural(outside.length, "host is", "hosts are")} outside of {outside.length === 1 ? "its" : "their"}{" "}
          maintenance window right now
          {windowless.length > 0 && `, ${windowless.length} of them without any`}: the confirmation asks for
          that.
        </p>
      )}
      {frozen.length > 0 && (
        <Notice
          tone="attention"
          title={`A freeze holds ${plural(frozen.length, "host")}: ${listed(freezes.map((each) => each.reason))}`}
        >
          {freezes.map((each) => (
            <div key={each.id}>
              {freezeScope(each)} until {exact(each.ends_at)} ({relative(each.ends_at, now)}).{" "}
            </div>
          ))}
          Nothing starts on {frozen.length === 1 ? "it" : "them"} before; the jobs wait.
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
      )}
      <Suspense>{giving && <WindowEditor hosts={ids} onClose={() => setGiving(false)} />}</Suspense>
    </>
  );
}
