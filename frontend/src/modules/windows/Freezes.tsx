/** Times in which nothing starts: who is held, until when, and why. Only admins make them. */

import { Button, Group, Skeleton } from "@mantine/core";
import { useMemo, useState } from "react";
import { useIsAdmin } from "@/api/queries";
import type { Freeze } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Chip } from "@/components/Chip";
import { Confirm } from "@/components/Confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import { Mark, type Tone } from "@/components/Mark";
import { Empty, Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { useNow } from "@/lib/clock";
import { exact } from "@/lib/time";
import { useParam } from "@/lib/url";
import { plural } from "@/lib/words";
import { shortIn, viewerZone } from "@/lib/zones";
import { useWindowActions } from "@/modules/windows/actions";
import { FreezeForm } from "@/modules/windows/FreezeForm";
import { useFreezes } from "@/modules/windows/queries";
import { type FreezeState, freezeScope, freezeState } from "@/modules/windows/words";

const TONES: Record<FreezeState, Tone> = { "in force": "attention", planned: "working", over: "unknown" };

type Asked = { what: "new" } | { what: "edit" | "end"; freeze: Freeze };

export function Freezes() {
  const admin = useIsAdmin();
  const now = useNow();
  const [past, setPast] = useParam("past");
  const query = useFreezes(past === "1");
  const actions = useWindowActions();
  const [asked, setAsked] = useState<Asked | null>(null);
  const columns = useMemo(() => columnsFor(admin, now, setAsked), [admin, now]);
  const close = () => setAsked(null);
  const make = admin && (
    <Button leftSection={<Icon name="snow" size={14} />} onClick={() => setAsked({ what: "new" })}>
      New freeze…
    </Button>
  );
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the freezes" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton className="fill" />;
  return (
    <>
      {query.data.length === 0 && past !== "1" ? (
        <Empty
          title="Nothing is frozen"
          actions={
            <>
              {make}
              <Button variant="default" onClick={() => setPast("1")}>
                Show past ones
              </Button>
            </>
          }
        >
          <p>
            A freeze stops every start, in windows too: at quarter end, over a holiday, or while something
            else is broken. Jobs that it holds say so, and start in their first window behind it.
          </p>
          {!admin && <p>Only admins make freezes.</p>}
        </Empty>
      ) : (
        <>
          <div className={page.toolbar}>
            <span role="status">{plural(query.data.length, "freeze")}</span>
            <Chip on={past === "1"} onToggle={() => setPast(past === "1" ? "" : "1")}>
              Also past ones
            </Chip>
            <div className={page.spacer} />
            {make}
          </div>
          <div className="fill">
            <DataTable
              label="Freezes"
              columns={columns}
              rows={query.data}
              nothing="There never was a freeze."
            />
          </div>
        </>
      )}
      {asked?.what === "new" && <FreezeForm onClose={close} />}
      {asked?.what === "edit" && <FreezeForm freeze={asked.freeze} onClose={close} />}
      {asked?.what === "end" && (
        <Confirm
          title={asked.freeze.active ? "End this freeze now?" : "Remove this freeze?"}
          label={asked.freeze.active ? "End it now" : "Remove it"}
          danger
          onClose={close}
          onConfirm={async () => {
            const { freeze } = asked;
            if (freeze.active) await actions.changeFreeze(freeze, { ends_at: new Date(now).toISOString() });
            else await actions.lift(freeze);
            close();
          }}
        >
          <p>
            {freezeScope(asked.freeze)}: {asked.freeze.reason}.{" "}
            {asked.freeze.active
              ? "Jobs that it holds start at once where a window is open, else in the next one."
              : "It will not come into force."}
          </p>
        </Confirm>
      )}
    </>
  );
}

function When({ at }: { at: string }) {
  return <span title={exact(at)}>{shortIn(Date.parse(at), viewerZone())}</span>;
}

function columnsFor(admin: boolean, now: number, ask: (asked: Asked) => void): readonly Column<Freeze>[] {
  const columns: Column<Freeze>[] = [
    {
      id: "state",
      title: "State",
      width: 110,
      cell: (row) => {
        const state = freezeState(row, now);
        return <Mark tone={TONES[state]}>{state}</Mark>;
      },
    },
    { id: "scope", title: "Concerns", width: 130, grow: 1, cell: (row) => freezeScope(row) },
    {
      id: "reason",
      title: "Reason",
      width: 180,
      grow: 3,
      cell: (row) => <span title={row.reason}>{row.reason}</span>,
    },
    { id: "from", title: "From", width: 160, cell: (row) => <When at={row.starts_at} /> },
    { id: "until", title: "Until", width: 160, cell: (row) => <When at={row.ends_at} /> },
    { id: "ends", title: "Ends", width: 110, cell: (row) => <Ago at={row.ends_at} ahead /> },
    { id: "by", title: "By", width: 110, cell: (row) => row.created_by },
  ];
  if (!admin) return columns;
  columns.push({
    id: "act",
    title: "",
    width: 168,
    cell: (row) =>
      freezeState(row, now) === "over" ? null : (
        <Group gap={6} wrap="nowrap">
          <Button variant="default" size="compact-xs" onClick={() => ask({ what: "edit", freeze: row })}>
            Change…
          </Button>
          <Button variant="default" size="compact-xs" onClick={() => ask({ what: "end", freeze: row })}>
            {row.active ? "End now…" : "Remove…"}
          </Button>
        </Group>
      ),
  });
  return columns;
}
