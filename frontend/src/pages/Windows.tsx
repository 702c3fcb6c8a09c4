/** When may what be touched? */

import { Button, Skeleton, Tabs } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { Icon } from "@/components/Icon";
import { Empty } from "@/components/Notice";
import { useQueryParams } from "@/lib/url";
import { count, plural } from "@/lib/words";
import { useTotals } from "@/modules/fleet/store";
import { EmptyFleet } from "@/modules/hosts/EmptyFleet";
import { HostPicker } from "@/modules/hosts/HostPicker";
import { useTitle } from "@/modules/shell/title";
import { Calendar } from "@/modules/windows/Calendar";
import { Freezes } from "@/modules/windows/Freezes";
import { HostsWithout } from "@/modules/windows/HostsWithout";
import { useCoverage, useWindows } from "@/modules/windows/queries";
import { WindowList } from "@/modules/windows/WindowList";
import classes from "@/modules/windows/windows.module.css";

const WindowEditor = lazy(() => import("@/modules/windows/WindowEditor"));
const TABS = ["calendar", "list", "without", "freezes"] as const;
type Tab = (typeof TABS)[number];

export default function Windows() {
  useTitle("Windows");
  const totals = useTotals();
  const [params, update] = useQueryParams();
  const tab: Tab = TABS.find((each) => each === params.get("tab")) ?? "calendar";
  const coverage = useCoverage().data;
  const windows = useWindows();
  const [making, setMaking] = useState(false);
  if (totals?.hosts === 0) return <EmptyFleet />;
  // Another tab has other filters: only what they share goes along.
  const choose = (next: string | null) =>
    update((before) => {
      const after = new URLSearchParams();
      for (const name of ["group", "zone"]) {
        const value = before.get(name);
        if (value !== null) after.set(name, value);
      }
      if (next !== null && next !== "calendar") after.set("tab", next);
      return after;
    }, true);
  const without = coverage?.hosts_without_window ?? 0;
  const teaches = windows.data?.length === 0 && (tab === "calendar" || tab === "list");
  return (
    <div className="page full">
      <div className={classes.top}>
        <Tabs value={tab} onChange={choose} className={classes.tabs}>
          <Tabs.List>
            <Tabs.Tab value="calendar">Calendar</Tabs.Tab>
            <Tabs.Tab value="list">
              List {windows.data === undefined ? "" : count(windows.data.length)}
            </Tabs.Tab>
            <Tabs.Tab value="without">Without a window {without === 0 ? "" : count(without)}</Tabs.Tab>
            <Tabs.Tab value="freezes">Freezes</Tabs.Tab>
          </Tabs.List>
        </Tabs>
        <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setMaking(true)}>
          New window
        </Button>
      </div>
      {teaches ? (
        <NoWindows hosts={totals?.hosts ?? 0} onMake={() => setMaking(true)} />
      ) : windows.isPending && tab === "calendar" ? (
        <Skeleton className="fill" />
      ) : (
        <View tab={tab} />
      )}
      {making && <NewWindow onClose={() => setMaking(false)} />}
    </div>
  );
}

function View({ tab }: { tab: Tab }) {
  switch (tab) {
    case "calendar":
      return <Calendar />;
    case "list":
      return <WindowList />;
    case "without":
      return <HostsWithout />;
    case "freezes":
      return <Freezes />;
  }
}

function NoWindows({ hosts, onMake }: { hosts: number; onMake: () => void }) {
  return (
    <Empty
      title="No host has a maintenance window yet"
      actions={
        <>
          <Button onClick={onMake}>New window</Button>
          <Button component={Link} to="/windows?tab=without" variant="default">
            See the {plural(hosts, "host")}
          </Button>
        </>
      }
    >
      <p>
        A window says when a host may be touched: patched, and rebooted where it must be. What you deploy for
        windows waits for each host's own, starts by itself when it opens, and starts nothing after it closed.
      </p>
      <p>
        Without windows somebody has to be awake to press the button. Most fleets begin with one weekly night
        for everything, and give what is special its own later.
      </p>
    </Empty>
  );
}

/** First which hosts, then the window itself. */
function NewWindow({ onClose }: { onClose: () => void }) {
  const [hosts, setHosts] = useState<readonly string[] | null>(null);
  if (hosts === null) {
    return (
      <HostPicker
        title="New window: for which hosts?"
        note="Each gets its own copy, which can be changed by itself later."
        label="Make it for"
        onPick={setHosts}
        onClose={onClose}
      />
    );
  }
  return (
    <Suspense>
      <WindowEditor hosts={hosts} onClose={onClose} />
    </Suspense>
  );
}
