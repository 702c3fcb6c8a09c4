/** What is known of a host, in one block. */
import type { HostRow } from "@/api/types";
import { Ago } from "@/components/Ago";
import { SeverityBar, severityWords } from "@/components/Bars";
import { Mark } from "@/components/Mark";
import { count, plural } from "@/lib/words";
import { osOf } from "@/modules/fleet/filters";
import { isOverdue } from "@/modules/fleet/words";
import { GroupNames } from "@/modules/hosts/GroupNames";
import classes from "@/modules/hosts/Host.module.css";

/** Who keeps a host from being rebooted, and why. */
function holdWords(row: HostRow): string | undefined {
  if (!row.reboot_hold) return undefined;
  return `On hold by ${row.reboot_hold_by}${row.reboot_hold_reason === "" ? "" : `: ${row.reboot_hold_reason}`}`;
}

export function Facts({ row }: { row: HostRow }) {
  const read = row.patches_read_at !== null;
  return (
    <dl className={classes.facts} data-testid="host-facts">
      <div>
        <dt>Address</dt>
        <dd className="mono">
          {row.address}:{row.port}
        </dd>
      </div>
      <div>
        <dt>FQDN</dt>
        <dd className="ellipsis" title={row.fqdn ?? undefined}>
          {row.fqdn ?? "–"}
        </dd>
      </div>
      <div>
        <dt>System</dt>
        <dd className="ellipsis">{osOf(row)}</dd>
      </div>
      <div>
        <dt>Kernel</dt>
        <dd className="ellipsis mono" title={row.kernel ?? undefined}>
          {row.kernel ?? "–"} {row.architecture ?? ""}
        </dd>
      </div>
      <div>
        <dt>Agent</dt>
        <dd>{row.agent_version ?? "–"}</dd>
      </div>
      <div>
        <dt>Groups</dt>
        <dd className="ellipsis">
          <GroupNames ids={row.group_ids} />
        </dd>
      </div>
      <div>
        <dt>Pending patches</dt>
        <dd title={severityWords(row.pending_by_severity)}>
          {read ? (
            <>
              <SeverityBar counts={row.pending_by_severity} width={56} /> {count(row.pending_patches)},{" "}
              {count(row.pending_security)} security
            </>
          ) : (
            "unknown, never read"
          )}
        </dd>
      </div>
      <div>
        <dt>CVEs</dt>
        <dd>{read ? count(row.cve_count) : "unknown"}</dd>
      </div>
      <div>
        <dt>Oldest security patch</dt>
        <dd>
          {isOverdue(row) ? (
            <Mark tone="attention">
              <Ago at={row.oldest_security_at} />
            </Mark>
          ) : (
            <Ago at={row.oldest_security_at} none={read ? "none pending" : "unknown"} />
          )}
        </dd>
      </div>
      <div>
        <dt>Reboot</dt>
        <dd title={holdWords(row)}>
          {row.reboot_hold && (
            <>
              <Mark tone="attention">on hold</Mark>
              {row.reboot_required ? ", " : ""}
            </>
          )}
          {row.reboot_hold && !row.reboot_required ? null : row.reboot_required ? (
            <Mark tone="attention">needed</Mark>
          ) : row.pending_reboots > 0 ? (
            `${plural(row.pending_reboots, "pending patch", "pending patches")} will ask for one`
          ) : read ? (
            "not needed"
          ) : (
            "unknown"
          )}
        </dd>
      </div>
      <div>
        <dt>Last seen</dt>
        <dd>
          <Ago at={row.last_seen_at} fine />
        </dd>
      </div>
      <div>
        <dt>Patches read</dt>
        <dd>
          <Ago at={row.patches_read_at} />
        </dd>
      </div>
    </dl>
  );
}
