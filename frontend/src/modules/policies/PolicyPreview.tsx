/** What a policy would do, as it is being written: hosts, next openings, what would be applied now, who is left out. */
import { Skeleton } from "@mantine/core";
import { Link } from "react-router";
import { messageOf } from "@/api/problem";
import type { PolicyPreview, PolicyPreviewHost } from "@/api/types";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Panel } from "@/components/Panel";
import { count, listed, plural } from "@/lib/words";
import { shortIn } from "@/lib/zones";
import { PolicyOpenings } from "@/modules/policies/PolicyOpenings";
import classes from "@/modules/policies/policies.module.css";
import type { usePolicyPreview } from "@/modules/policies/queries";
import { previewWords } from "@/modules/policies/words";

const NAMED = 5;

interface Props {
  query: ReturnType<typeof usePolicyPreview>;
  /** Why there is nothing to ask about yet. */
  missing: string | null;
}

export function PolicyPreviewPanel({ query, missing }: Props) {
  const preview = query.data;
  return (
    <Panel title="What it would do">
      <div className={classes.body} data-testid="policy-preview" aria-live="polite">
        {missing !== null ? (
          <p className="muted">{missing}</p>
        ) : query.isError ? (
          <p className={classes.attention}>{messageOf(query.error)}</p>
        ) : preview === undefined ? (
          <Skeleton height={160} />
        ) : (
          <div className={query.isPlaceholderData ? classes.stale : undefined}>
            <Said preview={preview} />
          </div>
        )}
      </div>
    </Panel>
  );
}

function Said({ preview }: { preview: PolicyPreview }) {
  const without = preview.hosts_without_window;
  return (
    <div className={classes.body} style={{ padding: 0 }}>
      <p className={classes.words}>{previewWords(preview)}</p>
      <p>
        Now it would apply {plural(preview.package_count, "package")}
        {preview.excluded_count > 0 && `, leave out ${count(preview.excluded_count)}`}, and reboot{" "}
        {preview.reboot_count === 0 ? "none" : plural(preview.reboot_count, "host")}.
      </p>
      <section aria-label="Next openings">
        <h3>Next openings</h3>
        <PolicyOpenings openings={preview.next_openings} />
      </section>
      {without.length > 0 && (
        <p>
          <Mark tone="attention">{plural(without.length, "host")} without a window</Mark>
          <br />
          It never starts on {listed(without.slice(0, NAMED).map((host) => host.display_name))}
          {without.length > NAMED && ` and ${count(without.length - NAMED)} more`}.{" "}
          <Link to="/windows?tab=without">Give them one</Link>.
        </p>
      )}
      {preview.rings.length > 0 && (
        <p>In rings: {listed(preview.rings.map((ring) => `${ring.name} (${count(ring.hosts)})`))}.</p>
      )}
      {preview.conflicts.map((each) => (
        <p key={each.policy_id}>
          <Link to={`/deploy/policies/${each.policy_id}`}>{each.name}</Link> is in force on{" "}
          {plural(each.hosts, "of these hosts", "of these hosts")} too
          {each.differences.length === 0
            ? ", and adds nothing."
            : `: ${listed(each.differences)}. These hosts get both.`}
        </p>
      ))}
    </div>
  );
}

type Row = PolicyPreviewHost & { id: string };

const COLUMNS: readonly Column<Row>[] = [
  {
    id: "name",
    title: "Host",
    width: 150,
    grow: 2,
    cell: (row) => <Link to={`/hosts/${row.host_id}`}>{row.display_name}</Link>,
  },
  { id: "ring", title: "Ring", width: 90, cell: (row) => row.ring ?? "" },
  {
    id: "next",
    title: "Next opening",
    width: 220,
    grow: 2,
    cell: (row) => {
      const [next] = row.next_openings;
      if (row.open_now) return <Mark tone="working">open now</Mark>;
      if (next === undefined) return <Mark tone="attention">no window</Mark>;
      return (
        <span title={next.window === "" ? next.timezone : `${next.window}, ${next.timezone}`}>
          {shortIn(Date.parse(next.opens_at), next.timezone)} {next.timezone}
        </span>
      );
    },
  },
  {
    id: "packages",
    title: "Would apply",
    width: 90,
    align: "right",
    cell: (row) => count(row.package_count),
  },
  {
    id: "excluded",
    title: "Left out",
    width: 76,
    align: "right",
    cell: (row) => (row.excluded_count === 0 ? "" : count(row.excluded_count)),
  },
  { id: "reboot", title: "Reboot", width: 76, cell: (row) => (row.will_reboot ? "yes" : "") },
  {
    id: "problem",
    title: "Remark",
    width: 160,
    grow: 3,
    cell: (row) => <span title={row.problem ?? ""}>{row.problem}</span>,
  },
];

export function PolicyPreviewTable({ preview }: { preview: PolicyPreview }) {
  const rows = preview.hosts.map((host) => ({ ...host, id: host.host_id }));
  return (
    <Panel
      title={
        <>
          Host by host <span className="muted">{count(rows.length)}</span>
        </>
      }
    >
      <div className={classes.table}>
        <DataTable label="Hosts of the policy" columns={COLUMNS} rows={rows} nothing="No host yet." />
      </div>
    </Panel>
  );
}
