/** What the pointer is on: the host in six lines, live. */
import type { Group } from "@/api/types";
import { Ago } from "@/components/Ago";
import { SeverityBar } from "@/components/Bars";
import { Mark } from "@/components/Mark";
import { listed, plural } from "@/lib/words";
import { osOf } from "@/modules/fleet/filters";
import { useHost } from "@/modules/fleet/store";
import { HEALTH_TONES } from "@/modules/fleet/words";
import classes from "@/modules/map/FleetMap.module.css";

const WIDTH = 288;
const HEIGHT = 240;
const AWAY = 16;

interface Props {
  id: string;
  groups: readonly Group[];
  /** Where it points, in the window's coordinates. */
  x: number;
  y: number;
}

export function HostCard({ id, groups, x, y }: Props) {
  const row = useHost(id);
  if (row === undefined) return null;
  const left = x + AWAY + WIDTH > window.innerWidth ? x - WIDTH - AWAY : x + AWAY;
  const top = Math.max(8, Math.min(y + AWAY, window.innerHeight - HEIGHT));
  const names = groups.filter((group) => row.group_ids.includes(group.id)).map((group) => group.name);
  return (
    <div className={classes.card} style={{ left, top }} data-testid="map-card">
      <h3 className="ellipsis">{row.display_name}</h3>
      <div className="muted mono">{row.address}</div>
      <Mark tone={HEALTH_TONES[row.health]}>{row.health}</Mark>
      {row.health_reason !== "" && row.health !== "healthy" && (
        <div className={classes.reason}>{row.health_reason}</div>
      )}
      <dl>
        <dt>Patches</dt>
        <dd className="ellipsis">
          {row.patches_read_at === null ? (
            "never read"
          ) : (
            <>
              <SeverityBar counts={row.pending_by_severity} width={56} /> {row.pending_patches},{" "}
              {row.pending_security} security
            </>
          )}
        </dd>
        <dt>Oldest</dt>
        <dd>
          <Ago
            at={row.oldest_security_at}
            none={row.patches_read_at === null ? "unknown" : "no security patch pending"}
          />
        </dd>
        <dt>System</dt>
        <dd className="ellipsis">{osOf(row)}</dd>
        <dt>Groups</dt>
        <dd className="ellipsis">{names.length === 0 ? "none" : listed(names)}</dd>
        <dt>Now</dt>
        <dd>{row.job === null ? row.activity : `${row.job.state}, ${row.job.progress}%`}</dd>
        {row.reboot_required && (
          <>
            <dt>Reboot</dt>
            <dd>
              needed
              {row.pending_reboots > 0 &&
                `, ${plural(row.pending_reboots, "patch", "patches")} will ask again`}
            </dd>
          </>
        )}
      </dl>
    </div>
  );
}
