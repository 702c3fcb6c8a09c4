/** Everything the browser part is made of, built once in `main.tsx` and handed down by context. */
import { QueryClient } from "@tanstack/react-query";
import { watchActivity } from "@/api/activity";
import { Api } from "@/api/http";
import { ProblemError } from "@/api/problem";
import { reads } from "@/api/queries";
import { Session } from "@/api/session";
import { Toasts } from "@/components/toasts";
import { Selection } from "@/modules/fleet/selection";
import { FleetStore } from "@/modules/fleet/store";
import { LiveCache } from "@/modules/live/cache";
import { LiveConnection } from "@/modules/live/connection";

export interface Services {
  session: Session;
  api: Api;
  fleet: FleetStore;
  live: LiveConnection;
  selection: Selection;
  toasts: Toasts;
  queries: QueryClient;
}

export function buildServices(): Services {
  const session = new Session();
  const api = new Api(session);
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) => failures < 2 && !(error instanceof ProblemError && error.status < 500),
      },
      mutations: { retry: false },
    },
  });
  const fleet = new FleetStore();
  const live = new LiveConnection(api, fleet, new LiveCache(queries));
  return { session, api, fleet, live, queries, selection: new Selection(), toasts: new Toasts() };
}

/** Start what lives outside of React: the session's first refresh, and the live stream while somebody is signed in. */
export function startServices({ session, api, live, queries, selection }: Services): void {
  watchActivity(() => {
    if (session.state.get().phase === "signed-in") void api.get("me").catch(() => undefined);
  });
  session.state.subscribe(() => {
    if (session.state.get().phase === "signed-in") {
      live.start();
      // What every page needs, asked for before the first of them is even loaded.
      void queries.prefetchQuery(reads.groups(api));
      void queries.prefetchQuery(reads.me(api));
    } else live.stop();
    if (session.state.get().phase === "signed-out") {
      // Another person may sign in next: nothing of the last one's view may be left.
      queries.clear();
      selection.clear();
    }
  });
  window.addEventListener("online", () => live.hurry());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") live.hurry();
  });
  void session.refresh();
}
