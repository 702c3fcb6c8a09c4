/** Step two: which patches. Everything pending on the chosen hosts, worst and most widespread first. */

import { Radio, Skeleton, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import type { DeploymentPreview } from "@/api/types";
import { type Column, DataTable } from "@/components/DataTable";
import { Icon } from "@/components/Icon";
import { Panel } from "@/components/Panel";
import { SeverityWord } from "@/components/SeverityWord";
import { count, plural } from "@/lib/words";
import classes from "@/modules/deploy/Deploy.module.css";
import { type PackageRow, packagesOf, type What } from "@/modules/deploy/plan";
import { Cves } from "@/modules/hosts/Cves";

const COLUMNS: readonly Column<PackageRow>[] = [
  { id: "name", title: "Package", width: 180, grow: 2, cell: (row) => row.name },
  { id: "severity", title: "Severity", width: 100, cell: (row) => <SeverityWord severity={row.severity} /> },
  { id: "hosts", title: "Hosts", width: 76, align: "right", cell: (row) => count(row.hosts) },
  {
    id: "version",
    title: "Available",
    width: 180,
    grow: 1,
    cell: (row) => (
      <span className="mono" title={row.versions.join(", ")}>
        {row.versions.length > 1 ? `${row.versions.length} versions` : (row.versions[0] ?? "–")}
      </span>
    ),
  },
  { id: "cves", title: "CVEs", width: 180, cell: (row) => <Cves ids={row.cves} /> },
  {
    id: "reboot",
    title: "Reboot",
    width: 80,
    cell: (row) => (row.reboot ? "asks" : <span className="muted">–</span>),
  },
];

interface Props {
  /** Everything pending on the chosen hosts; undefined while it is fetched. */
  base: DeploymentPreview | undefined;
  what: What;
  onWhat: (what: What) => void;
  packages: ReadonlySet<string>;
  onPackages: (packages: ReadonlySet<string>) => void;
}

const WORDS: Record<What, string> = {
  security: "security patches only",
  all: "everything pending",
  chosen: "chosen packages",
};

export function PatchStep({ base, what, onWhat, packages, onPackages }: Props) {
  const [search, setSearch] = useState("");
  const all = useMemo(() => packagesOf(base?.hosts ?? []), [base]);
  const rows = useMemo(() => {
    const needle = search.trim().toLowerCase();
    const found =
      what === "security"
        ? all.filter((row) => row.cves.length > 0 || ["critical", "high"].includes(row.severity))
        : all;
    return found.filter((row) => [row.name, ...row.cves].some((text) => text.toLowerCase().includes(needle)));
  }, [all, search, what]);
  const choosing = what === "chosen";
  const toggle = (row: PackageRow) => {
    const next = new Set(packages);
    if (!next.delete(row.id)) next.add(row.id);
    onPackages(next);
  };
  const toggleAll = () => {
    const everyOne = rows.every((row) => packages.has(row.id));
    const next = new Set(packages);
    for (const row of rows) everyOne ? next.delete(row.id) : next.add(row.id);
    onPackages(next);
  };
  return (
    <Panel
      title={
        <>
          <span className={classes.number}>2</span>Patches:{" "}
          {choosing ? plural(packages.size, "chosen package") : WORDS[what]}
        </>
      }
    >
      <div className={classes.body}>
        <Radio.Group value={what} onChange={(value) => onWhat(value as What)} aria-label="Which patches">
          <div className={classes.choices}>
            <Radio
              value="security"
              label="Security patches only"
              description="What has a CVE, or is critical or high; read anew from each host when its job starts."
            />
            <Radio
              value="all"
              label="Everything pending"
              description="Read anew from each host when its job starts."
            />
            <Radio
              value="chosen"
              label="Chosen packages"
              description="Exactly the ones ticked, where they are pending."
            />
          </div>
        </Radio.Group>
        <TextInput
          size="xs"
          w={260}
          aria-label="Search packages"
          placeholder="Package or CVE"
          leftSection={<Icon name="search" size={14} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <div className={classes.list}>
          {base === undefined ? (
            <Skeleton className="fill" />
          ) : (
            <DataTable
              label="Packages"
              columns={COLUMNS}
              rows={rows}
              {...(choosing
                ? { selected: packages, onSelect: toggle, onSelectAll: toggleAll, onOpen: toggle }
                : {})}
              nothing={
                search === ""
                  ? "Nothing is pending on the chosen hosts."
                  : "No pending package or CVE is called that."
              }
            />
          )}
        </div>
      </div>
    </Panel>
  );
}
