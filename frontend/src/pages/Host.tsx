/** What is this machine's story, and what does its actor do right now? */

import { Button, Group, Menu, Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { useIsAdmin, useMe } from "@/api/queries";
import type { HostRow, Job, Page } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Icon } from "@/components/Icon";
import { Mark } from "@/components/Mark";
import { Empty, Failure, Notice } from "@/components/Notice";
import { useNow } from "@/lib/clock";
import { untilWords } from "@/lib/time";
import { useChoice } from "@/lib/url";
import { count, sentence } from "@/lib/words";
import { toFragment } from "@/modules/fleet/selection";
import { useFleet, useFleetLoaded, useHost } from "@/modules/fleet/store";
import { HEALTH_TONES } from "@/modules/fleet/words";
import { AuditTable } from "@/modules/hosts/AuditTable";
import { useHostActions } from "@/modules/hosts/actions";
import { Certificates } from "@/modules/hosts/Certificates";
import { EditHost } from "@/modules/hosts/EditHost";
import { Facts } from "@/modules/hosts/Facts";
import { HealthStrip } from "@/modules/hosts/HealthStrip";
import { HoldHost } from "@/modules/hosts/HoldHost";
import classes from "@/modules/hosts/Host.module.css";
import { PackageTable } from "@/modules/hosts/PackageTable";
import { PatchTable } from "@/modules/hosts/PatchTable";
import { RebootHost } from "@/modules/hosts/RebootHost";
import { RemoveHosts } from "@/modules/hosts/RemoveHosts";
import { ServiceLookup } from "@/modules/hosts/ServiceLookup";
import { JobDrawer } from "@/modules/jobs/JobDrawer";
import { JobTable } from "@/modules/jobs/JobTable";
import { useTitle } from "@/modules/shell/title";
import { HostWindows } from "@/modules/windows/HostWindows";

const TABS = ["patches", "packages", "jobs", "windows", "certificates", "audit"] as const;
const ADMIN_TABS: ReadonlySet<string> = new Set(["certificates", "audit"]);
const ABOVE = { text: "Hosts", to: "/hosts" };

export default function Host() {
  const { id = "" } = useParams();
  const row = useHost(id);
  const loaded = useFleetLoaded();
  useTitle(row?.display_name ?? "Host", ABOVE);
  if (row !== undefined) return <Story row={row} />;
  if (!loaded) {
    return (
      <div className="page" aria-busy="true">
        <Skeleton height={48} />
        <Skeleton height={160} />
        <Skeleton height={320} />
      </div>
    );
  }
  return (
    <Empty
      title="No such host"
      actions={
        <Button component={Link} to="/hosts">
          All hosts
        </Button>
      }
    >
      <p>It was removed, or it belongs to a group that is not yours. An admin can say which.</p>
    </Empty>
  );
}

function Story({ row }: { row: HostRow }) {
  const me = useMe();
  const admin = me?.role === "admin";
  const [wanted, setTab] = useChoice("tab", TABS);
  const tab = ADMIN_TABS.has(wanted) && me !== undefined && !admin ? "patches" : wanted;
  return (
    <div className="page full">
      <Head row={row} />
      {row.actor_state === "quarantined" && <Quarantined row={row} />}
      {row.reboot_hold && <OnHold row={row} />}
      <Facts row={row} />
      <HealthStrip id={row.id} />
      <Tabs value={tab} onChange={(value) => setTab(value ?? "patches")} keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="patches">
            Patches {row.patches_read_at === null ? "" : count(row.pending_patches)}
          </Tabs.Tab>
          <Tabs.Tab value="packages">Packages</Tabs.Tab>
          <Tabs.Tab value="jobs">Jobs</Tabs.Tab>
          <Tabs.Tab value="windows">Windows</Tabs.Tab>
          {admin && <Tabs.Tab value="certificates">Certificates</Tabs.Tab>}
          {admin && <Tabs.Tab value="audit">Audit</Tabs.Tab>}
        </Tabs.List>
      </Tabs>
      {tab === "patches" && <PatchTable host={row} />}
      {tab === "packages" && <PackageTable host={row} />}
      {tab === "jobs" && <HostJobs id={row.id} />}
      {tab === "windows" && <HostWindows host={row} />}
      {ADMIN_TABS.has(tab) && !admin && <Skeleton height={240} />}
      {tab === "certificates" && admin && <Certificates host={row} />}
      {tab === "audit" && admin && <AuditTable host={row} />}
      <JobDrawer />
    </div>
  );
}

/** What the actor does, with a countdown where it waits for a moment. */
function Now({ row }: { row: HostRow }) {
  const now = useNow(true);
  if (row.job !== null) {
    return (
      <>
        {sentence(row.activity)}{" "}
        <Link
          to={
            row.job.deployment_id === null
              ? `/hosts/${row.id}?tab=jobs&job=${row.job.id}`
              : `/jobs/${row.job.deployment_id}?job=${row.job.id}`
          }
        >
          Follow the job
        </Link>
      </>
    );
  }
  const waits = row.next_poll_at !== null && ["idle", "backing_off", "starting"].includes(row.actor_state);
  const what = row.actor_state === "backing_off" ? "next try" : "next poll";
  if (!waits || row.next_poll_at === null) return sentence(row.activity);
  const when = untilWords(row.next_poll_at, now);
  return `${sentence(row.activity)}, ${what} ${when}`;
}

function Head({ row }: { row: HostRow }) {
  const actions = useHostActions();
  const fleet = useFleet();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [open, setOpen] = useState<"edit" | "remove" | "reboot" | "hold" | "services" | null>(null);
  const refresh = async () => {
    setBusy(true);
    await actions.refresh([row.id]);
    setBusy(false);
  };
  return (
    <div className={classes.head}>
      <div className={classes.state}>
        <div data-testid="host-health">
          <Mark tone={HEALTH_TONES[row.health]}>
            {sentence(row.health)}
            {row.health_reason !== "" && row.health !== "healthy" && `: ${row.health_reason}`}
          </Mark>
        </div>
        <div className="muted">
          {row.health_since !== null && (
            <>
              Since <Ago at={row.health_since} />.{" "}
            </>
          )}
          <span data-testid="host-activity">
            <Now row={row} />
          </span>
          .
        </div>
      </div>
      <Group gap="xs">
        <Button onClick={() => void navigate(`/deploy${toFragment([row.id], fleet.rows.keys())}`)}>
          Deploy
        </Button>
        <Button variant="default" loading={busy} onClick={() => void refresh()}>
          Refresh
        </Button>
        <Menu>
          <Menu.Target>
            <Button variant="default" rightSection={<Icon name="down" size={12} />}>
              More
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="reboot" size={14} />} onClick={() => setOpen("reboot")}>
              Reboot…
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="warning" size={14} />} onClick={() => setOpen("hold")}>
              {row.reboot_hold ? "Lift the reboot hold…" : "Hold reboots…"}
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="search" size={14} />} onClick={() => setOpen("services")}>
              Service status…
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="edit" size={14} />} onClick={() => setOpen("edit")}>
              Edit…
            </Menu.Item>
            <Menu.Item
              color="red"
              leftSection={<Icon name="trash" size={14} />}
              onClick={() => setOpen("remove")}
            >
              Remove…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      {open === "reboot" && <RebootHost row={row} onClose={() => setOpen(null)} />}
      {open === "hold" && <HoldHost row={row} onClose={() => setOpen(null)} />}
      {open === "services" && <ServiceLookup host={row} onClose={() => setOpen(null)} />}
      {open === "edit" && <EditHost row={row} onClose={() => setOpen(null)} />}
      {open === "remove" && (
        <RemoveHosts ids={[row.id]} onClose={() => setOpen(null)} onDone={() => void navigate("/hosts")} />
      )}
    </div>
  );
}

function OnHold({ row }: { row: HostRow }) {
  const reason = row.reboot_hold_reason === "" ? "" : `: ${row.reboot_hold_reason}`;
  return (
    <Notice tone="attention" title="This host is on hold: no job reboots it">
      Set by {row.reboot_hold_by} <Ago at={row.reboot_hold_at} />
      {reason}.
    </Notice>
  );
}

function Quarantined({ row }: { row: HostRow }) {
  const admin = useIsAdmin();
  const { restart } = useHostActions();
  return (
    <Notice
      tone="danger"
      title="This host's actor is quarantined"
      action={admin && <Button onClick={() => void restart([row.id])}>Restart the actor</Button>}
    >
      {sentence(row.activity)}. Other hosts are not touched by it.{" "}
      {admin ? "Restarting it reads the host anew." : "An admin can restart it."}
    </Notice>
  );
}

function HostJobs({ id }: { id: string }) {
  const api = useApi();
  const query = useQuery({
    queryKey: keys.hostJobs(id),
    queryFn: ({ signal }) => api.get<Page<Job>>(`hosts/${id}/jobs?limit=200`, { signal }),
  });
  if (query.isError)
    return <Failure error={query.error} doing="read the jobs" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton height={240} />;
  return (
    <div className="fill">
      <JobTable
        jobs={query.data.items}
        hideHost
        nothing="Nothing was ever deployed to this host from here."
      />
    </div>
  );
}
