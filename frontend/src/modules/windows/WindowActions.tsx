/** What can be done to chosen windows: change, switch, copy, delete; each question says its numbers. */
import { Button } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import type { MaintenanceWindow } from "@/api/types";
import { Confirm, mustType } from "@/components/Confirm";
import { plural } from "@/lib/words";
import { HostPicker } from "@/modules/hosts/HostPicker";
import { useWindowActions } from "@/modules/windows/actions";
import { ruleWords } from "@/modules/windows/rule";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));

type Asked = "edit" | "enable" | "disable" | "delete" | "copy";

interface Props {
  windows: readonly MaintenanceWindow[];
  onDone?: () => void;
}

export function WindowActions({ windows, onDone }: Props) {
  const actions = useWindowActions();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [targets, setTargets] = useState<readonly string[] | null>(null);
  const [only] = windows;
  const none = windows.length === 0;
  const off = windows.some((each) => !each.enabled);
  const on = windows.some((each) => each.enabled);
  const number = plural(windows.length, "window");
  const close = () => {
    setAsked(null);
    setTargets(null);
  };
  const finish = async (work: Promise<void>) => {
    await work;
    close();
    onDone?.();
  };
  return (
    <>
      <Button variant="default" disabled={none} onClick={() => setAsked("edit")}>
        {windows.length > 1 ? `Change ${number}…` : "Change…"}
      </Button>
      <Button variant="default" disabled={windows.length !== 1} onClick={() => setAsked("copy")}>
        Copy to hosts…
      </Button>
      <Button variant="default" disabled={!off} onClick={() => setAsked("enable")}>
        Enable
      </Button>
      <Button variant="default" disabled={!on} onClick={() => setAsked("disable")}>
        Disable…
      </Button>
      <Button variant="default" disabled={none} onClick={() => setAsked("delete")}>
        Delete…
      </Button>
      <Suspense>
        {asked === "edit" && (
          <WindowEditor windows={windows} onClose={close} {...(onDone === undefined ? {} : { onDone })} />
        )}
      </Suspense>
      {asked === "copy" && targets === null && only !== undefined && (
        <HostPicker
          title={`Copy the window of ${only.host_name} to other hosts`}
          note={`${only.name === "" ? "" : `${only.name}: `}${ruleWords(only)}`}
          label="Copy to"
          onPick={setTargets}
          onClose={close}
        />
      )}
      {asked === "copy" && targets !== null && only !== undefined && (
        <Confirm
          title={`Copy to ${plural(targets.length, "host")}?`}
          label={`Copy to ${plural(targets.length, "host")}`}
          typed={mustType(targets.length)}
          onClose={close}
          onConfirm={() => finish(actions.copy(only, targets))}
        >
          <p>
            {ruleWords(only)}, {only.timezone}: {plural(targets.length, "host")} may then be patched in it.
            Hosts that have an equal window keep it.
          </p>
        </Confirm>
      )}
      {asked === "enable" && (
        <Confirm
          title={`Enable ${number}?`}
          label={`Enable ${number}`}
          typed={mustType(windows.length)}
          onClose={close}
          onConfirm={() =>
            finish(
              actions.enable(
                windows.filter((each) => !each.enabled),
                true,
              ),
            )
          }
        >
          <p>Jobs that wait on these hosts may start in them from now on.</p>
        </Confirm>
      )}
      {asked === "disable" && (
        <Confirm
          title={`Disable ${number}?`}
          label={`Disable ${number}`}
          danger
          typed={mustType(windows.length)}
          onClose={close}
          onConfirm={() =>
            finish(
              actions.enable(
                windows.filter((each) => each.enabled),
                false,
              ),
            )
          }
        >
          <p>
            {plural(windows.length, "window")} will not open any more until enabled again. Jobs that wait for
            them wait for another window, or for ever where there is none.
          </p>
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm
          title={`Delete ${number}?`}
          label={`Delete ${number}`}
          danger
          typed={mustType(windows.length)}
          onClose={close}
          onConfirm={() => finish(actions.remove(windows))}
        >
          <p>
            {plural(windows.length, "host loses", "hosts lose")} this window. Jobs that wait for it wait for
            another, or for ever where there is none; what runs goes on.
          </p>
        </Confirm>
      )}
    </>
  );
}
