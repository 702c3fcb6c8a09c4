/** Pending patches of one host, the most urgent first, each with why; what is ticked can be deployed alone. */

import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { HostRow, Patch } from "@/api/types";
import { Ago } from "@/components/Ago";
import { type Column, DataTable } from "@/components/DataTable";
import { Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { SeverityWord } from "@/components/SeverityWord";
import { day } from "@/lib/time";
import { useParam } from "@/lib/url";
import { plural } from "@/lib/words";
import { toFragment } from "@/modules/fleet/selection";
import { useFleet } from "@/modules/fleet/store";
import { Cves } from "@/modules/hosts/Cves";

type Row = Patch & { id: string };

const COLUMNS: readonly Column<Row>[] = [
  {
    id: "priority",
    title: "Priority",
    width: 76,
    align: "right",
    help: "0 to 100, larger first",
    cell: (row) => <b>{row.priority}</b>,
  },
  {
    id: "name",
    title: "Package",
    width: 150,
    grow: 1,
    cell: (row) => <span title={row.description}>{row.name}</span>,
  },
  { id: "severity", title: "Severity", width: 100, cell: (row) => <SeverityWord severity={row.severity} /> },
  {
    id: "versions",
    title: "Installed → available",
    width: 280,
    grow: 3,
    cell: (row) => (
      <span className="mono" title={`${row.current_version ?? "?"} → ${row.available_version ?? "?"}`}>
        {row.current_version ?? "?"} → {row.available_version ?? "?"}
      </span>
    ),
  },
  { id: "cves", title: "CVEs", width: 156, cell: (row) => <Cves ids={row.cve_ids} /> },
  {
    id: "reboot",
    title: "Reboot",
    width: 76,
    cell: (row) => (row.requires_reboot ? "asks" : <span className="muted">–</span>),
  },
  { id: "since", title: "Pending since", width: 132, cell: (row) => <Ago at={row.first_seen_at} /> },
  {
    id: "why",
    title: "Why this priority",
    width: 200,
    grow: 2,
    cell: (row) =>
      row.excluded === null ? (
        <span title={row.priority_reason}>{row.priority_reason}</span>
      ) : (
        <Excluded by={row.excluded} />
      ),
  },
];

/** Why nothing patches it here, in the place of why somebody should. */
function Excluded({ by }: { by: NonNullable<Patch["excluded"]> }) {
  const words = `excluded until ${day(by.expires_at)} by ${by.owner}: ${by.reason}`;
  return (
    <Link to="/deploy/exclusions" title={words}>
      {words}
    </Link>
  );
}

export function PatchTable({ host }: { host: HostRow }) {
  const api = useApi();
  const fleet = useFleet();
  const navigate = useNavigate();
  const [search, setSearch] = useParam("patch");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const query = useQuery({
    // The time of the last reading is part of the key: a new list is fetched as soon as the host reported one.
    queryKey: [...keys.patches(host.id), host.patches_read_at, host.pending_patches],
    queryFn: ({ signal }) => api.all<Patch>(`hosts/${host.id}/patches`, { signal }),
    placeholderData: (before) => before,
  });
  const rows = useMemo(() => {
    const needle = search.toLowerCase();
    return (query.data ?? [])
      .filter((patch) => [patch.name, ...patch.cve_ids].some((text) => text.toLowerCase().includes(needle)))
      .map((patch): Row => ({ ...patch, id: patch.name }));
  }, [query.data, search]);

  if (query.isError)
    return <Failure error={query.error} doing="read the patches" retry={() => void query.refetch()} />;
  if (query.isPending) return <Skeleton height={240} />;
  const toggle = (row: Row) =>
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(row.id)) after.add(row.id);
      return after;
    });
  const toggleAll = () =>
    setChosen(rows.every((row) => chosen.has(row.id)) ? new Set() : new Set(rows.map((row) => row.id)));
  const deploy = () => {
    const packages = [...chosen].map(encodeURIComponent).join(",");
    void navigate(`/deploy?what=chosen&packages=${packages}${toFragment([host.id], fleet.rows.keys())}`);
  };
  const nothing =
    host.patches_read_at === null
      ? "The patches were never read: the host counts as unknown until its agent answers."
      : search === ""
        ? "Nothing is pending. This host is up to date."
        : "No pending package or CVE is called that.";
  return (
    <>
      <div className={page.toolbar}>
        <SearchField
          label="Search patches"
          placeholder="Package or CVE"
          value={search}
          onChange={setSearch}
        />
        <span className="muted">{plural(rows.length, "patch", "patches")}</span>
        <div className={page.spacer} />
        <Button variant="default" disabled={chosen.size === 0} onClick={deploy}>
          {chosen.size === 0 ? "Deploy chosen packages" : `Deploy ${plural(chosen.size, "package")}`}
        </Button>
      </div>
      <div className="fill">
        <DataTable
          label="Pending patches"
          columns={COLUMNS}
          rows={rows}
          selected={chosen}
          onSelect={toggle}
          onSelectAll={toggleAll}
          onOpen={toggle}
          nothing={nothing}
        />
      </div>
    </>
  );
}
