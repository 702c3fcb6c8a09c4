/** What windows and freezes mean for a plan: who waits for ever, who would be touched outside a window, who is held. Pure. */
import type { Freeze, HostRow, PreviewHost } from "@/api/types";
import { concerns } from "@/modules/windows/words";

export interface Outlook {
  /** Hosts without an enabled window: a job that waits for one never starts there. */
  windowless: PreviewHost[];
  /** Hosts that would be touched now though no window of theirs is open; those without one are among them. */
  outside: PreviewHost[];
  /** Hosts that a freeze holds at this moment. */
  frozen: PreviewHost[];
  /** The freezes that do. */
  freezes: Freeze[];
}

interface Facts {
  without: ReadonlySet<string>;
  freezes: readonly Freeze[];
  groupsOf: (host: string) => HostRow["group_ids"];
}

export function outlookOf(hosts: readonly PreviewHost[], { without, freezes, groupsOf }: Facts): Outlook {
  const active = freezes.filter((freeze) => freeze.active);
  const held = (freeze: Freeze, host: PreviewHost) => concerns(freeze, groupsOf(host.host_id));
  return {
    windowless: hosts.filter((host) => without.has(host.host_id)),
    outside: hosts.filter((host) => host.outside_windows),
    frozen: hosts.filter((host) => active.some((freeze) => held(freeze, host))),
    freezes: active.filter((freeze) => hosts.some((host) => held(freeze, host))),
  };
}
