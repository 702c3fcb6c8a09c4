/** Everything installed on one host, asked of its agent when this is opened; nothing of it is kept by the server. */

import { Button, Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf } from "@/api/problem";
import type { HostRow, Package } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Chip } from "@/components/Chip";
import { type Column, DataTable, type Sort } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Notice } from "@/components/Notice";
import page from "@/components/page.module.css";
import { SearchField } from "@/components/SearchField";
import { now } from "@/lib/time";
import { useParam } from "@/lib/url";
import { count, plural, sentence } from "@/lib/words";
import { ChangePackage, InstallPackages } from "@/modules/hosts/ChangePackage";
import classes from "@/modules/hosts/Host.module.css";
import { identified, type PackageItem, shownPackages, unreadAdvice } from "@/modules/hosts/packages";

const NONE = <span className="muted">–</span>;
const BY_NAME: Sort = { column: "name", descending: false };
const FRESH = 5 * 60_000;
const SKELETON_ROWS = ["a", "b", "c", "d", "e", "f", "g", "h"];

const COLUMNS: readonly Column<PackageItem>[] = [
  { id: "name", title: "Package", width: 200, grow: 2, sortable: true, cell: (row) => row.name },
  {
    id: "version",
    title: "Installed",
    width: 180,
    grow: 1,
    cell: (row) => (
      <span className="mono" title={row.version ?? undefined}>
        {row.version ?? NONE}
      </span>
    ),
  },
  {
    id: "available",
    title: "Available",
    width: 200,
    grow: 1,
    sortable: true,
    help: "A version newer than the installed one",
    cell: (row) =>
      row.upgradable ? (
        <Mark tone="attention">
          <span className="mono" title={row.latest_version ?? undefined}>
            {row.latest_version ?? "newer"}
          </span>
        </Mark>
      ) : (
        NONE
      ),
  },
  { id: "status", title: "Status", width: 110, cell: (row) => row.status ?? NONE },
  {
    id: "description",
    title: "Description",
    width: 200,
    grow: 4,
    cell: (row) => <span title={row.description}>{row.description}</span>,
  },
];

export function PackageTable({ host }: { host: HostRow }) {
  const api = useApi();
  const [search, setSearch] = useParam("package");
  const [only, setOnly] = useParam("upgradable");
  const [sort, setSort] = useState(BY_NAME);
  const [installing, setInstalling] = useState(false);
  const [chosen, setChosen] = useState<PackageItem | null>(null);
  const query = useQuery({
    queryKey: keys.packages(host.id),
    // Read whole and searched here: every request makes the agent list everything, so typing must not send any.
    queryFn: async ({ signal }) => {
      const found = await api.all<Package>(`hosts/${host.id}/packages`, { signal });
      return { at: new Date(now()).toISOString(), packages: identified(found) };
    },
    staleTime: FRESH,
    // An agent that does not answer is waited for a minute; the person decides whether to wait for another one.
    retry: false,
  });
  const packages = query.data?.packages;
  const upgradableOnly = only !== "";
  const rows = useMemo(
    () => shownPackages(packages ?? [], { search, upgradableOnly, sort }),
    [packages, search, upgradableOnly, sort],
  );
  const upgradable = useMemo(() => packages?.filter((each) => each.upgradable).length, [packages]);
  const again = () => void query.refetch();
  const onSort = (column: string) =>
    setSort((before) => ({ column, descending: before.column === column && !before.descending }));
  const nothing =
    packages?.length === 0
      ? "The agent says that nothing is installed, which no system is: look at its log on the host."
      : search === ""
        ? "No installed package has a newer version."
        : `No ${upgradableOnly ? "upgradable " : ""}package is called that.`;
  return (
    <>
      {installing && <InstallPackages host={host} onClose={() => setInstalling(false)} />}
      {chosen !== null && <ChangePackage host={host} package={chosen} onClose={() => setChosen(null)} />}
      <div className={page.toolbar}>
        <SearchField label="Search packages" placeholder="Package" value={search} onChange={setSearch} />
        <Chip
          on={upgradableOnly}
          onToggle={() => setOnly(upgradableOnly ? "" : "1")}
          {...(upgradable === undefined ? {} : { number: upgradable })}
        >
          Upgradable only
        </Chip>
        {query.data !== undefined && (
          <span className="muted">
            {rows.length === query.data.packages.length
              ? plural(rows.length, "package")
              : `${count(rows.length)} of ${plural(query.data.packages.length, "package")}`}
            , read from the agent <Ago at={query.data.at} />
          </span>
        )}
        <div className={page.spacer} />
        <Button variant="default" onClick={() => setInstalling(true)}>
          Install…
        </Button>
        {query.data !== undefined && (
          <Button variant="default" loading={query.isFetching} onClick={again}>
            Read again
          </Button>
        )}
      </div>
      {query.isError && !query.isFetching && (
        <Notice
          tone="danger"
          title={`Could not read the packages of ${host.display_name}`}
          action={
            <Button variant="default" onClick={again}>
              Retry
            </Button>
          }
        >
          {sentence(messageOf(query.error).replace(/\.$/, ""))}. {unreadAdvice(host)}
          {query.data !== undefined && " Below is what was read before."}
        </Notice>
      )}
      {query.data !== undefined && (
        <div className="fill">
          <DataTable
            label="Packages"
            columns={COLUMNS}
            rows={rows}
            sort={sort}
            onSort={onSort}
            onOpen={setChosen}
            nothing={nothing}
          />
        </div>
      )}
      {query.data === undefined && query.isFetching && (
        <div className={classes.rows} aria-busy="true">
          <p className="muted" role="status">
            Asking the agent of {host.display_name} for everything it has installed; this may take seconds.
          </p>
          {SKELETON_ROWS.map((key) => (
            <Skeleton key={key} height={24} />
          ))}
        </div>
      )}
    </>
  );
}
