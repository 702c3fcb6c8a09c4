/** What stands in the way of starting, and what can be done about it right there. */
import { Button, Group } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Notice } from "@/components/Notice";
import { count, listed, plural } from "@/lib/words";
import type { Outlook } from "@/modules/deploy/outlook";
import type { When } from "@/modules/deploy/plan";
import { FreezeNotice } from "@/modules/windows/FreezeNotice";

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
          {windowless.length > 0 &&
            (outside.length === 1 ? " (it has none)" : `, ${count(windowless.length)} of them without any`)}
          : the confirmation asks for that.
        </p>
      )}
      {frozen.length > 0 && (
        <FreezeNotice
          held={plural(frozen.length, "host")}
          freezes={freezes}
          meanwhile={`Nothing starts on ${frozen.length === 1 ? "it" : "them"} before; the jobs wait.`}
          override={override}
          onOverride={onOverride}
        />
      )}
      <Suspense>{giving && <WindowEditor hosts={ids} onClose={() => setGiving(false)} />}</Suspense>
    </>
  );
}
