/** One opening from `?opening=`: which hosts, what a freeze does to it, and what waits for it. */

import { Button, Drawer, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { Link, useNavigate } from "react-router";
import type { Opening, UpcomingWindow } from "@/api/types";
import { Ago } from "@/components/Ago";
import { type Column, DataTable } from "@/components/DataTable";
import { Failure, Notice } from "@/components/Notice";
import { useQueryParams } from "@/lib/url";
import { naturally, plural } from "@/lib/words";
import { exactIn } from "@/lib/zones";
import { toFragment } from "@/modules/fleet/selection";
import { useFleet } from "@/modules/fleet/store";
import { useHostsOf } from "@/modules/windows/queries";
import { minutesWords } from "@/modules/windows/rule";
import classes from "@/modules/windows/windows.module.css";
import { frozenWords, hostsWords, openingFrom, openingKey, spanWords } from "@/modules/windows/words";

type Moments = Pick<Opening, "opens_at" | "closes_at">;

interface Props {
  /** What the calendar has read already. */
  known: readonly Opening[];
  zone: string;
  group: string | null;
}

export function OpeningDrawer({ known, zone, group }: Props) {
  const [params, update] = useQueryParams();
  const chosen = params
    .getAll("opening")
    .map(openingFrom)
    .filter((each) => each !== null);
  const [first] = chosen;
  const show = (keys: readonly string[]) =>
    update((query) => {
      query.delete("opening");
      for (const key of keys) query.append("opening", key);
      return query;
    }, keys.length > 0);
  const title =
    first === undefined
      ? ""
      : chosen.length > 1
        ? `${chosen.length} openings`
        : `${exactIn(Date.parse(first.opens_at), zone)}, open for ${minutesWords(lasts(first))}`;
  return (
    <Drawer
      opened={first !== undefined}
      onClose={() => show([])}
      position="right"
      size={720}
      title={title}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {first !== undefined && chosen.length > 1 && (
        <Several openings={chosen} known={known} zone={zone} onOpen={(each) => show([openingKey(each)])} />
      )}
      {first !== undefined && chosen.length === 1 && <One opening={first} known={known} group={group} />}
    </Drawer>
  );
}

function lasts(opening: Moments): number {
  return Math.round((Date.parse(opening.closes_at) - Date.parse(opening.opens_at)) / 60_000);
}

function find(known: readonly Opening[], opening: Moments): Opening | undefined {
  const key = openingKey(opening);
  return known.find((each) => openingKey(each) === key);
}

interface SeveralProps extends Omit<Props, "group"> {
  openings: readonly Moments[];
  onOpen: (opening: Moments) => void;
}

function Several({ openings, known, zone, onOpen }: SeveralProps) {
  return (
    <ul className={classes.several}>
      {openings.map((each) => {
        const found = find(known, each);
        return (
          <li key={openingKey(each)}>
            <button type="button" className="link-button" onClick={() => onOpen(each)}>
              {spanWords(each.opens_at, each.closes_at, zone)}
            </button>
            <span>{found?.names.join(", ")}</span>
            <span>{found === undefined ? "changed meanwhile" : hostsWords(found)}</span>
          </li>
        );
      })}
    </ul>
  );
}

type Row = UpcomingWindow & { id: string };

const COLUMNS: readonly Column<Row>[] = [
  {
    id: "host",
    title: "Host",
    width: 140,
    grow: 2,
    cell: (row) => <Link to={`/hosts/${row.host_id}?tab=windows`}>{row.host_name}</Link>,
  },
  {
    id: "name",
    title: "Window",
    width: 120,
    grow: 2,
    cell: (row) => (row.name === "" ? <span className="muted">unnamed</span> : row.name),
  },
  {
    id: "there",
    title: "On its own clock",
    width: 220,
    grow: 2,
    cell: (row) => exactIn(Date.parse(row.opens_at), row.timezone),
  },
  {
    id: "frozen",
    title: "Freeze",
    width: 100,
    grow: 1,
    cell: (row) => row.frozen ?? <span className="muted">none</span>,
  },
];

function One({ opening, known: all, group }: Omit<Props, "zone"> & { opening: Moments }) {
  const fleet = useFleet();
  const navigate = useNavigate();
  const query = useHostsOf(opening, group);
  const known = find(all, opening);
  const rows = useMemo(
    () =>
      (query.data ?? [])
        .map((each): Row => ({ ...each, id: each.window_id }))
        .sort((a, b) => naturally.compare(a.host_name, b.host_name)),
    [query.data],
  );
  const hosts = new Set(rows.map((row) => row.host_id));
  const frozen = known === undefined ? null : frozenWords(known);
  return (
    <div className={classes.drawer}>
      <p className="muted">
        Opens <Ago at={opening.opens_at} ahead />, closes <Ago at={opening.closes_at} ahead />
        {known !== undefined && `; zone ${known.timezones.join(", ")}`}.
      </p>
      {frozen !== null && (
        <Notice tone="attention" title={`In a freeze: ${frozen}`}>
          Nothing starts on these hosts while it is in force; what waits moves behind it.
        </Notice>
      )}
      {known !== undefined && known.waiting > 0 && (
        <Notice tone="working" title={`${plural(known.waiting, "job")} will start in it`}>
          {known.deployment_ids.map((id, index) => (
            <span key={id}>
              {index > 0 && ", "}
              <Link to={`/jobs/${id}`}>deployment {id.slice(0, 8)}</Link>
            </span>
          ))}
        </Notice>
      )}
      {query.isError && (
        <Failure error={query.error} doing="read its hosts" retry={() => void query.refetch()} />
      )}
      {query.isPending ? (
        <Skeleton className="fill" />
      ) : (
        <div className="fill">
          <DataTable
            label="Hosts of the opening"
            columns={COLUMNS}
            rows={rows}
            nothing="No window opens then any more: it was changed."
          />
        </div>
      )}
      <div>
        <Button
          disabled={hosts.size === 0}
          onClick={() => void navigate(`/deploy?when=window${toFragment(hosts, fleet.rows.keys())}`)}
        >
          Deploy to {plural(hosts.size, "host")} in their window
        </Button>
      </div>
    </div>
  );
}
