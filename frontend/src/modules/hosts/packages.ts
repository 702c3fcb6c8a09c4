/** What the list of installed packages shows, and what to do when it could not be read. Pure. */
import type { HostRow, Package } from "@/api/types";
import type { Sort } from "@/components/DataTable";
import { naturally } from "@/lib/words";

export type PackageItem = Package & { id: string };

export interface Wanted {
  search: string;
  upgradableOnly: boolean;
  sort: Sort;
}

/** Rows with ids of their own: one name is there twice when a package is installed for two architectures. */
export function identified(packages: readonly Package[]): PackageItem[] {
  const seen = new Map<string, number>();
  return packages.map((each) => {
    const before = seen.get(each.name) ?? 0;
    seen.set(each.name, before + 1);
    return { ...each, id: before === 0 ? each.name : `${each.name} (${before + 1})` };
  });
}

/** The wanted rows in the wanted order; what is equal there is sorted by name. */
export function shownPackages(packages: readonly PackageItem[], wanted: Wanted): PackageItem[] {
  const needle = wanted.search.trim().toLowerCase();
  const sign = wanted.sort.descending ? -1 : 1;
  const by = (a: PackageItem, b: PackageItem) =>
    wanted.sort.column === "available"
      ? Number(b.upgradable) - Number(a.upgradable)
      : naturally.compare(a.name, b.name);
  return packages
    .filter((each) => !wanted.upgradableOnly || each.upgradable)
    .filter((each) => each.name.toLowerCase().includes(needle))
    .sort((a, b) => sign * by(a, b) || naturally.compare(a.name, b.name));
}

/** The next step for somebody whose list could not be read. */
export function unreadAdvice(
  host: Pick<HostRow, "actor_state" | "health" | "job" | "address" | "port">,
): string {
  if (host.actor_state === "quarantined") return "Once an admin restarted the host's actor, try again.";
  if (host.health === "unreachable") {
    return `See that the machine is up and its agent answers at ${host.address}, port ${host.port}; then try again.`;
  }
  if (host.job !== null) return "A job runs there; agents answer slowly meanwhile. Try again when it ended.";
  return "Try again in a moment; when it stays so, the agent's log on the host says why.";
}
