/** Policies and exclusions in words. Pure. */
import type { Exclusion, Group, Policy, PolicyBody, PolicyPreview, Rollout } from "@/api/types";
import { count, listed, plural } from "@/lib/words";

/** `security patches in every window, without reboots`. */
export function ruleWords(policy: Pick<PolicyBody, "what" | "reboot" | "exclude" | "rollout">): string {
  const what = policy.what === "security" ? "security patches" : "all patches";
  const reboot = policy.reboot === "never" ? "without reboots" : "with reboots where required";
  const without = policy.exclude.length === 0 ? "" : `, without ${plural(policy.exclude.length, "package")}`;
  const rings = policy.rollout?.rings.length ? `, in ${plural(policy.rollout.rings.length + 1, "ring")}` : "";
  return `${what}${without}, ${reboot}${rings}`;
}

/** Where a policy holds: `All hosts`, `web, db and 3 hosts`. */
export function placeWords(
  policy: Pick<PolicyBody, "all_hosts" | "group_ids" | "host_ids">,
  groups: readonly Group[],
): string {
  if (policy.all_hosts) return "All hosts";
  const names = new Map(groups.map((group) => [group.id, group.name]));
  const parts = policy.group_ids.map((id) => names.get(id) ?? "a group");
  if (policy.host_ids.length > 0) parts.push(plural(policy.host_ids.length, "host"));
  return parts.length === 0 ? "No hosts" : listed(parts);
}

export function exclusionPlace(exclusion: Exclusion): string {
  if (exclusion.host_id !== null) return exclusion.host_name ?? "a host";
  if (exclusion.group_id !== null) return `Group ${exclusion.group_name ?? ""}`;
  return "All hosts";
}

/** What a change of mind costs: shown before a policy is deleted or disabled. */
export function coverageWords(policy: Pick<Policy, "compliance">): string {
  const { hosts, covered } = policy.compliance;
  return hosts === covered
    ? plural(hosts, "host")
    : `${plural(hosts, "host")}, ${count(covered)} of them with a window`;
}

/** The first sentence of a preview. */
export function previewWords(preview: PolicyPreview): string {
  const { hosts, covered, open_now } = preview.compliance;
  if (hosts === 0) return "No host is in these groups yet.";
  const words = [`${plural(hosts, "host")}, ${count(covered)} with a window`];
  if (open_now > 0) words.push(`${count(open_now)} open now: there it starts at once`);
  return `${words.join("; ")}.`;
}

export interface Simple {
  /** How the first ring is chosen. */
  first: "none" | "count" | "group" | "kept";
  count: number;
  group: string | null;
  soak: number;
  failures: number | null;
}

export const NO_RINGS: Simple = { first: "none", count: 1, group: null, soak: 60, failures: 0 };

/** The part of a rollout that the form can write; `kept` for one that says more. */
export function simpleOf(rollout: Rollout | null): Simple {
  if (rollout === null) return NO_RINGS;
  const [ring, ...others] = rollout.rings;
  const base = { ...NO_RINGS, soak: rollout.soak_minutes, failures: rollout.stop_after_failures };
  const more =
    others.length > 0 || rollout.max_unavailable !== null || rollout.stop_after_failed_percent !== null;
  if (ring === undefined || more) return { ...base, first: "kept" };
  if (ring.count !== null) return { ...base, first: "count", count: ring.count };
  const [group, ...groups] = ring.group_ids;
  if (group !== undefined && groups.length === 0) return { ...base, first: "group", group };
  return { ...base, first: "kept" };
}

/** The rollout that the form says; `before` where it says more than the form knows. */
export function rolloutOf(simple: Simple, before: Rollout | null): Rollout | null {
  if (simple.first === "none") return null;
  if (simple.first === "kept") return before;
  if (simple.first === "group" && simple.group === null) return null;
  return {
    rings: [
      {
        name: "",
        count: simple.first === "count" ? simple.count : null,
        percent: null,
        host_ids: [],
        group_ids: simple.first === "group" && simple.group !== null ? [simple.group] : [],
      },
    ],
    soak_minutes: simple.soak,
    stop_after_failures: simple.failures,
    stop_after_failed_percent: null,
    max_unavailable: null,
  };
}
