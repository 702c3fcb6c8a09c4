/** Providers, and the gate between the sign-in page and everything else. */

import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { RouterProvider } from "react-router/dom";
import { ApiContext } from "@/api/context";
import { Session } from "@/api/session";
import { ToastContext, ToastList } from "@/components/toasts";
import { SelectionContext } from "@/modules/fleet/selection";
import { FleetContext } from "@/modules/fleet/store";
import { LiveContext } from "@/modules/live/context";
import { Frame } from "@/modules/shell/Frame";
import type { Services } from "@/modules/shell/services";
import { router } from "@/pages/routes";
import { SignIn } from "@/pages/SignIn";
import { resolveVariables, styleNonce, theme } from "@/theme/theme";

function Gate({ services }: { services: Services }) {
  const state = useSyncExternalStore(services.session.state.subscribe, services.session.state.get);
  switch (state.phase) {
    case "signed-in":
      return <RouterProvider router={router} />;
    case "signed-out":
      return <SignIn reason={state.reason} />;
    case "starting":
      return Session.expected() ? <Frame /> : null;
    case "offline":
      return <Frame offline />;
  }
}

export function App({ services }: { services: Services }) {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      cssVariablesResolver={resolveVariables}
      getStyleNonce={styleNonce}
    >
      <ApiContext value={services.api}>
        <QueryClientProvider client={services.queries}>
          <FleetContext value={services.fleet}>
            <LiveContext value={services.live}>
              <SelectionContext value={services.selection}>
                <ToastContext value={services.toasts}>
                  <Gate services={services} />
                  <ToastList />
                </ToastContext>
              </SelectionContext>
            </LiveContext>
          </FleetContext>
        </QueryClientProvider>
      </ApiContext>
    </MantineProvider>
  );
}
