/** What to do next, in order of urgency, each with the page that does it. Pure. */
import type { HostRow } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { count, plural } from "@/lib/words";
import { isOverdue, OVERDUE_DAYS } from "@/modules/fleet/words";

export interface Advice {
  key: string;
  tone: Tone;
  text: string;
  detail: string;
  action: string;
  to: string;
}

const MOST_REASONS = 3;

export function advise(rows: Iterable<HostRow>): Advice[] {
  const reasons = new Map<string, number>();
  let [overdue, overdueReachable, critical, reboots, quarantined, unread] = [0, 0, 0, 0, 0, 0];
  for (const row of rows) {
    if (row.health === "unreachable")
      reasons.set(row.health_reason, (reasons.get(row.health_reason) ?? 0) + 1);
    if (isOverdue(row)) {
      overdue += 1;
      critical += row.pending_by_severity.critical;
      if (row.health !== "unreachable") overdueReachable += 1;
    }
    if (row.reboot_required) reboots += 1;
    if (row.actor_state === "quarantined") quarantined += 1;
    if (row.patches_read_at === null && row.health !== "unreachable") unread += 1;
  }
  const found: Advice[] = [];
  if (quarantined > 0) {
    found.push({
      key: "quarantined",
      tone: "danger",
      text: `${plural(quarantined, "host")} quarantined`,
      detail:
        "Its actor kept failing and was stopped; nothing is polled or patched there until it is restarted.",
      action: "Look",
      to: "/hosts?actor=quarantined",
    });
  }
  if (overdue > 0) {
    const away = overdue - overdueReachable;
    found.push({
      key: "overdue",
      tone: "attention",
      text: `Patch ${plural(overdue, "host")} with security updates older than ${OVERDUE_DAYS} days`,
      detail: [
        `${plural(critical, "critical patch", "critical patches")} among them`,
        away > 0 ? `${count(away)} of the hosts cannot be reached now` : "",
      ]
        .filter(Boolean)
        .join("; "),
      action: "Deploy",
      to: "/deploy?is=overdue&what=security",
    });
  }
  const sorted = [...reasons].sort((a, b) => b[1] - a[1]);
  for (const [reason, number] of sorted.slice(0, MOST_REASONS)) {
    found.push({
      key: `reason-${reason}`,
      tone: "danger",
      text: `${plural(number, "host")} unreachable`,
      detail: reason || "No reason known.",
      action: "Show",
      to: `/hosts?health=unreachable&q=${encodeURIComponent(reason.slice(0, 60))}`,
    });
  }
  if (reboots > 0) {
    found.push({
      key: "reboots",
      tone: "attention",
      text: `${plural(reboots, "host")} ${reboots === 1 ? "waits" : "wait"} for a reboot`,
      detail: "Patches there are installed but not in force yet.",
      action: "Show",
      to: "/hosts?is=reboot",
    });
  }
  if (unread > 0) {
    found.push({
      key: "unread",
      tone: "unknown",
      text: `${plural(unread, "host")} never reported patches`,
      detail: "They count as unknown, not as compliant.",
      action: "Show",
      to: "/hosts?is=unread",
    });
  }
  return found;
}
