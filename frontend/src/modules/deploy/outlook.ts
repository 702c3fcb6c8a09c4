/** What windows and freezes mean for a plan: who waits for ever, who would be touched outside a window, who is held. Pure. */
import type { Freeze, HostRow, PreviewHost } from "@/api/types";

export interface Outlook {
  /** Hosts without an enabled window: a job that waits for one never starts there. */
  windowless: PreviewHost[];
  /** Hosts that are not inside a window at this moment; those without one are among them. */
  outside: PreviewHost[];
  /** Hosts that a freeze holds at this moment. */
  frozen: PreviewHost[];
  /** The freezes that do. */
  freezes: Freeze[];
}

interface Facts {
  without: ReadonlySet<string>;
  open: ReadonlySet<string>;
  freezes: readonly Freeze[];
  groupsOf: (host: string) => HostRow["group_ids"];
}

export function outlookOf(
  hosts: readonly PreviewHost[],
  { without, open, freezes, groupsOf }: Facts,
): Outlook {
  const active = freezes.filter((freeze) => freeze.active);
  const held = (freeze: Freeze, host: PreviewHost) =>
    freeze.group_id === null || groupsOf(host.host_id).includes(freeze.group_id);
  return {
    windowless: hosts.filter((host) => without.has(host.host_id)),
    outside: hosts.filter((host) => !open.has(host.host_id)),
    frozen: hosts.filter((host) => active.some((freeze) => held(freeze, host))),
    freezes: active.filter((freeze) => hosts.some((host) => held(freeze, host))),
  };
}
