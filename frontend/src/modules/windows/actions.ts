/** Changes of windows and freezes from any page, with what they say afterwards. */
import { useApi } from "@/api/context";
import { messageOf } from "@/api/problem";
import type { Freeze, FreezeCreate, MaintenanceWindow, WindowCreate } from "@/api/types";
import { useToasts } from "@/components/toasts";
import { plural } from "@/lib/words";
import { forEach } from "@/modules/hosts/actions";
import { useWindowsChanged } from "@/modules/windows/queries";

/** Fields of the rule that its kind does not use are left out: absent means "stays", and the kind decides the rest. */
function given(body: WindowCreate): Partial<WindowCreate> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

export function useWindowActions() {
  const api = useApi();
  const toasts = useToasts();
  const changed = useWindowsChanged();

  const report = (
    done: string,
    windows: readonly MaintenanceWindow[],
    failed: ReadonlyMap<string, unknown>,
  ) => {
    const fine = windows.length - failed.size;
    if (fine > 0) toasts.show("healthy", `${done} ${plural(fine, "window")}.`);
    const [first] = failed;
    if (first !== undefined) {
      const host = windows.find((each) => each.id === first[0])?.host_name ?? "a host";
      const others = failed.size > 1 ? ` and ${failed.size - 1} more` : "";
      toasts.show("danger", `Window of ${host}${others}: ${messageOf(first[1])}`);
    }
    changed();
  };
  const patchAll = (windows: readonly MaintenanceWindow[], body: (each: MaintenanceWindow) => unknown) =>
    forEach(
      windows.map((each) => each.id),
      (id) => {
        const window = windows.find((each) => each.id === id);
        return api.send("PATCH", `windows/${id}`, { body: window === undefined ? {} : body(window) });
      },
    );

  return {
    /** Give hosts a window: made on the first, copied to the others, which get it all or none. */
    give: async (hosts: readonly string[], body: WindowCreate): Promise<void> => {
      const [first, ...others] = hosts;
      if (first === undefined) return;
      const made = await api.post<MaintenanceWindow>(`hosts/${first}/windows`, body);
      if (others.length > 0) await api.post(`windows/${made.id}/copy`, { host_ids: others });
      toasts.show(
        "healthy",
        others.length === 0
          ? `${made.host_name} has a window.`
          : `${plural(hosts.length, "host")} have a window.`,
      );
      changed();
    },
    /** Copy a window to hosts; those that have an equal one keep it. */
    copy: async (window: MaintenanceWindow, hosts: readonly string[]): Promise<void> => {
      const { items, unchanged } = await api.post<{ items: unknown[]; unchanged: number }>(
        `windows/${window.id}/copy`,
        { host_ids: hosts },
      );
      const had = unchanged === 0 ? "" : ` ${plural(unchanged, "host")} had it already.`;
      toasts.show("healthy", `Copied to ${plural(items.length, "host")}.${had}`);
      changed();
    },
    /** Change one window, or give many the same rule. One that was changed meanwhile is refused. */
    change: async (windows: readonly MaintenanceWindow[], body: WindowCreate): Promise<void> => {
      const [only] = windows;
      if (only !== undefined && windows.length === 1) {
        await api.send("PATCH", `windows/${only.id}`, { body: { ...given(body), version: only.version } });
        toasts.show("healthy", `Window of ${only.host_name} changed.`);
        changed();
        return;
      }
      report(
        "Changed",
        windows,
        await patchAll(windows, (each) => ({ ...given(body), version: each.version })),
      );
    },
    enable: async (windows: readonly MaintenanceWindow[], enabled: boolean) =>
      report(enabled ? "Enabled" : "Disabled", windows, await patchAll(windows, () => ({ enabled }))),
    remove: async (windows: readonly MaintenanceWindow[]) =>
      report(
        "Deleted",
        windows,
        await forEach(
          windows.map((each) => each.id),
          (id) => api.send("DELETE", `windows/${id}`),
        ),
      ),
    freeze: async (body: FreezeCreate): Promise<void> => {
      await api.post("freezes", body);
      toasts.show("healthy", "Frozen: nothing starts in that time.");
      changed();
    },
    changeFreeze: async (freeze: Freeze, body: Partial<FreezeCreate>): Promise<void> => {
      await api.send("PATCH", `freezes/${freeze.id}`, { body });
      toasts.show("healthy", "The freeze is changed.");
      changed();
    },
    lift: async (freeze: Freeze): Promise<void> => {
      await api.send("DELETE", `freezes/${freeze.id}`);
      toasts.show("healthy", "The freeze is lifted.");
      changed();
    },
  };
}
