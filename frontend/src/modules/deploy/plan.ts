/** What a deployment would do, worked out from the server's previews. Pure. */
import type { DeploymentCreate, DeploymentPreview, PreviewHost, Severity } from "@/api/types";
import { SEVERITIES } from "@/components/Bars";
import { count, plural } from "@/lib/words";

export type What = "security" | "all" | "chosen";
export type Reboot = "never" | "if_required";
export type When = "window" | "now";

/** When and how a deployment goes. */
export interface How {
  when: When;
  reboot: Reboot;
  overrideFreeze?: boolean;
  rollout?: DeploymentCreate["rollout"];
}

export interface PackageRow {
  id: string;
  name: string;
  severity: Severity;
  cves: string[];
  hosts: number;
  versions: string[];
  reboot: boolean;
}

const RANK = new Map<string, number>(SEVERITIES.map((name, rank) => [name, rank]));

/** Pending packages over all hosts of a preview: worst first, then the most widespread. */
export function packagesOf(hosts: readonly PreviewHost[]): PackageRow[] {
  const found = new Map<string, PackageRow>();
  for (const host of hosts) {
    for (const each of host.packages) {
      const severity = (RANK.has(each.severity) ? each.severity : "unknown") as Severity;
      const row = found.get(each.name) ?? {
        id: each.name,
        name: each.name,
        severity,
        cves: [],
        hosts: 0,
        versions: [],
        reboot: false,
      };
      row.hosts += 1;
      row.reboot ||= each.requires_reboot;
      if ((RANK.get(severity) ?? 9) < (RANK.get(row.severity) ?? 9)) row.severity = severity;
      for (const cve of each.cve_ids) if (!row.cves.includes(cve)) row.cves.push(cve);
      const version = each.available_version;
      if (version !== null && !row.versions.includes(version)) row.versions.push(version);
      found.set(each.name, row);
    }
  }
  return [...found.values()].sort(
    (a, b) =>
      (RANK.get(a.severity) ?? 9) - (RANK.get(b.severity) ?? 9) ||
      b.hosts - a.hosts ||
      (a.name < b.name ? -1 : 1),
  );
}

/** Hosts whose patches are known and among which nothing asked for is pending: a job there would do nothing. */
export function idleHosts(preview: DeploymentPreview): PreviewHost[] {
  return preview.hosts.filter((host) => host.packages.length === 0 && host.problem === null);
}

export interface Plan {
  hosts: PreviewHost[];
  packages: number;
  /** Pending packages that exclusions leave out. */
  excluded: number;
  reboots: number;
  cves: number;
  problems: PreviewHost[];
  idle: PreviewHost[];
}

/** The hosts that get a job, and their numbers. */
export function planOf(preview: DeploymentPreview, leaveOutProblems: boolean): Plan {
  const idle = idleHosts(preview);
  const problems = preview.hosts.filter((host) => host.problem !== null);
  const out = new Set([...idle, ...(leaveOutProblems ? problems : [])].map((host) => host.host_id));
  const hosts = preview.hosts.filter((host) => !out.has(host.host_id));
  const cves = new Set<string>();
  let packages = 0;
  let excluded = 0;
  for (const host of hosts) {
    packages += host.packages.length;
    excluded += host.excluded.length;
    for (const each of host.packages) for (const cve of each.cve_ids) cves.add(cve);
  }
  return {
    hosts,
    packages,
    excluded,
    cves: cves.size,
    reboots: hosts.filter((host) => host.will_reboot).length,
    problems,
    idle,
  };
}

/** `128 updates on 41 hosts close 23 CVEs; 3 hosts reboot.` */
export function planWords(plan: Plan): string {
  if (plan.hosts.length === 0) return "Nothing to do";
  const cves = plan.cves === 0 ? "" : ` close ${plural(plan.cves, "CVE")}`;
  const reboots =
    plan.reboots === 0
      ? "no host reboots"
      : `${plural(plan.reboots, "host")} ${plan.reboots === 1 ? "reboots" : "reboot"}`;
  return `${plural(plan.packages, "update")} on ${plural(plan.hosts.length, "host")}${cves}; ${reboots}`;
}

/** The body of the request, for a preview or the deployment itself. */
export function bodyOf(
  hostIds: readonly string[],
  what: What,
  packages: readonly string[],
  how: How,
): DeploymentCreate {
  return {
    host_ids: [...hostIds],
    packages: what === "chosen" ? [...packages].sort() : null,
    security_only: what === "security",
    when: how.when,
    reboot: how.reboot,
    override_freeze: how.overrideFreeze ?? false,
    rollout: how.rollout ?? null,
  };
}

/** What exclusions leave out on a host: `nginx: excluded by web team: tested in June`, one a line. */
export function excludedWords(host: PreviewHost): string {
  return host.excluded
    .map((each) => `${each.name}: excluded by ${each.owner}${each.reason === "" ? "" : `: ${each.reason}`}`)
    .join("\n");
}

/** Names for a cell: the first few, and how many more. */
export function namesOf(host: PreviewHost, most = 6): string {
  const names = host.packages.slice(0, most).map((each) => each.name);
  const more = host.packages.length - names.length;
  return more > 0 ? `${names.join(", ")} +${count(more)}` : names.join(", ");
}
