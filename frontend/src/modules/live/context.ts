/** The live connection's state for components. */
import { createContext, use, useSyncExternalStore } from "react";
import type { LiveConnection, LiveState } from "@/modules/live/connection";

export const LiveContext = createContext<LiveConnection | null>(null);

export function useLive(): LiveConnection {
  const live = use(LiveContext);
  if (live === null) throw new Error("useLive outside of LiveContext");
  return live;
}

export function useLiveState(): LiveState {
  const live = useLive();
  return useSyncExternalStore(live.state.subscribe, live.state.get);
}
