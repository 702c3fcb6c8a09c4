/** What must not be patched: where, until when, and who to ask. Expired ones stay in the list. */

import { Button, Group, Skeleton } from "@mantine/core";
import { useMemo, useState } from "react";
import { useIsAdmin } from "@/api/queries";
import type { Exclusion } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Chip } from "@/components/Chip";
import { Confirm } from "@/components/Confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import { Mark } from "@/components/Mark";
import { Empty, Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { useNow } from "@/lib/clock";
import { DAY } from "@/lib/time";
import { useParam } from "@/lib/url";
import { plural } from "@/lib/words";
import { ExclusionForm } from "@/modules/policies/ExclusionForm";
import { useExclusion, useExclusionActions, useExclusions } from "@/modules/policies/queries";
import { exclusionPlace } from "@/modules/policies/words";

type Asked = { what: "new" } | { what: "edit" | "lift"; exclusion: Exclusion };

/** Ends sooner than this: somebody should decide. */
const SOON = 7 * DAY;

export function ExclusionList() {
  const admin = useIsAdmin();
  const now = useNow();
  const [past, setPast] = useParam("expired");
  const query = useExclusions();
  const [asked, setAsked] = useState<Asked | null>(null);
  const columns = useMemo(() => columnsFor(admin, now, setAsked), [admin, now]);
  const close = () => setAsked(null);
  const make = (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAsked({ what: "new" })}>
      New exclusion
    </Button>
  );
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the exclusions" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  const expired = query.data.filter((each) => Date.parse(each.expires_at) <= now);
  const rows = past === "1" ? query.data : query.data.filter((each) => Date.parse(each.expires_at) > now);
  return (
    <>
      {query.data.length === 0 ? (
        <Empty title="Nothing is excluded" actions={make}>
          <p>
            An exclusion keeps a package from being patched, on a host, in a group or everywhere: a kernel
            that a driver needs, a database that its vendor supports in one version only.
          </p>
          <p>
            Each has somebody who answers for it, a reason and an end. Deployments and policies leave the
            package out and say so; when it ends, the next window patches it.
          </p>
        </Empty>
      ) : (
        <>
          <div className={page.toolbar}>
            <span role="status">{plural(rows.length, "exclusion")}</span>
            <Chip on={past === "1"} number={expired.length} onToggle={() => setPast(past === "1" ? "" : "1")}>
              Also expired
            </Chip>
            <div className={page.spacer} />
            {make}
          </div>
          <div className="fill">
            <DataTable
              label="Exclusions"
              columns={columns}
              rows={rows}
              nothing="All exclusions have expired: everything is patched."
            />
          </div>
        </>
      )}
      {asked?.what === "new" && <ExclusionForm onClose={close} />}
      {asked?.what === "edit" && <ExclusionForm exclusion={asked.exclusion} onClose={close} />}
      {asked?.what === "lift" && <Lift exclusion={asked.exclusion} onClose={close} />}
    </>
  );
}

function Lift({ exclusion, onClose }: { exclusion: Exclusion; onClose: () => void }) {
  const actions = useExclusionActions();
  const held = useExclusion(exclusion.id).data;
  const over = exclusion.state === "expired";
  return (
    <Confirm
      title={over ? "Remove this expired exclusion?" : `Lift the exclusion of “${exclusion.package}”?`}
      label={over ? "Remove it" : "Lift it"}
      danger
      onClose={onClose}
      onConfirm={async () => {
        await actions.remove(exclusion);
        onClose();
      }}
    >
      <p>
        {exclusionPlace(exclusion)}. {exclusion.owner}: {exclusion.reason}
      </p>
      {!over && (
        <p>
          {held === undefined
            ? "Counting what it holds back…"
            : held.pending_patches === 0
              ? "It holds nothing back at the moment."
              : `${plural(held.pending_patches, "pending patch", "pending patches")} on ${plural(held.pending_hosts, "host")} will be applied by the next deployment or window.`}
        </p>
      )}
    </Confirm>
  );
}

function State({ exclusion, now }: { exclusion: Exclusion; now: number }) {
  const left = Date.parse(exclusion.expires_at) - now;
  if (left <= 0) return <Mark tone="unknown">expired</Mark>;
  return left < SOON ? <Mark tone="attention">ends soon</Mark> : <Mark tone="working">in force</Mark>;
}

function columnsFor(admin: boolean, now: number, ask: (asked: Asked) => void): readonly Column<Exclusion>[] {
  return [
    { id: "state", title: "State", width: 116, cell: (row) => <State exclusion={row} now={now} /> },
    {
      id: "package",
      title: "Package",
      width: 170,
      grow: 2,
      cell: (row) => (
        <span className="mono" title={row.package}>
          {row.package}
        </span>
      ),
    },
    { id: "place", title: "Where", width: 130, grow: 1, cell: (row) => exclusionPlace(row) },
    { id: "owner", title: "Owner", width: 120, grow: 1, cell: (row) => row.owner },
    {
      id: "reason",
      title: "Reason",
      width: 170,
      grow: 3,
      cell: (row) => <span title={row.reason}>{row.reason}</span>,
    },
    { id: "ends", title: "Ends", width: 110, cell: (row) => <Ago at={row.expires_at} ahead /> },
    {
      id: "act",
      title: "",
      width: 168,
      cell: (row) =>
        admin || row.host_id !== null || row.group_id !== null ? (
          <Group gap={6} wrap="nowrap">
            <Button variant="default" size="compact-xs" onClick={() => ask({ what: "edit", exclusion: row })}>
              {row.state === "expired" ? "Renew…" : "Change…"}
            </Button>
            <Button variant="default" size="compact-xs" onClick={() => ask({ what: "lift", exclusion: row })}>
              {row.state === "expired" ? "Remove…" : "Lift…"}
            </Button>
          </Group>
        ) : null,
    },
  ];
}
