/** What can be done to hosts from any page, with what it says afterwards. */
import { useQueryClient } from "@tanstack/react-query";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf } from "@/api/problem";
import type { HostPatch } from "@/api/types";
import { useToasts } from "@/components/toasts";
import { count, plural } from "@/lib/words";
import { useFleet } from "@/modules/fleet/store";

/** Requests in flight at once when one action goes to many hosts: quick, without flooding the manager. */
const AT_ONCE = 8;

/** Run `work` for every id, a few at a time; the errors by id. */
export async function forEach(
  ids: readonly string[],
  work: (id: string) => Promise<unknown>,
): Promise<Map<string, unknown>> {
  const failed = new Map<string, unknown>();
  const waiting = ids.values();
  const worker = async () => {
    for (const id of waiting) {
      try {
        await work(id);
      } catch (error) {
        failed.set(id, error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failed;
}

export function useHostActions() {
  const api = useApi();
  const toasts = useToasts();
  const fleet = useFleet();
  const queries = useQueryClient();

  const report = (done: string, ids: readonly string[], failed: ReadonlyMap<string, unknown>) => {
    const fine = ids.length - failed.size;
    if (fine > 0)
      toasts.show(
        "healthy",
        `${done} ${fine === 1 && ids.length === 1 ? nameOf(ids[0]) : plural(fine, "host")}.`,
      );
    const [first] = failed;
    if (first !== undefined) {
      const others = failed.size > 1 ? ` and ${count(failed.size - 1)} more` : "";
      toasts.show("danger", `${nameOf(first[0])}${others}: ${messageOf(first[1])}`);
    }
  };
  const nameOf = (id: string | undefined) =>
    id === undefined ? "" : (fleet.row(id)?.display_name ?? "host");

  // Through the host and not the group: operators may move hosts between their own groups, but not edit groups.
  const regroup = async (
    ids: readonly string[],
    done: string,
    change: (now: readonly string[]) => string[],
  ) => {
    const failed = await forEach(ids, (id) => {
      const group_ids = [...new Set(change(fleet.row(id)?.group_ids ?? []))];
      return api.send("PATCH", `hosts/${id}`, { body: { group_ids } });
    });
    report(done, ids, failed);
    void queries.invalidateQueries({ queryKey: keys.groups });
  };

  return {
    refresh: async (ids: readonly string[]) =>
      report("Asked", ids, await forEach(ids, (id) => api.post(`hosts/${id}/refresh`))),
    restart: async (ids: readonly string[]) =>
      report("Restarted the actor of", ids, await forEach(ids, (id) => api.post(`hosts/${id}/restart`))),
    remove: async (ids: readonly string[]) =>
      report("Removed", ids, await forEach(ids, (id) => api.send("DELETE", `hosts/${id}`))),
    edit: (id: string, changes: HostPatch) => api.send("PATCH", `hosts/${id}`, { body: changes }),
    join: (ids: readonly string[], group: string) =>
      regroup(ids, "Added to the group:", (now) => [...now, group]),
    leave: (ids: readonly string[], group: string) =>
      regroup(ids, "Taken out of the group:", (now) => now.filter((id) => id !== group)),
  };
}
