/** Pages by path; each is a chunk of its own, fetched when first needed or when the browser is idle. */
import { lazy } from "react";
import { createBrowserRouter } from "react-router";
import { Shell } from "@/modules/shell/Shell";
import { NotFound, PageError } from "@/pages/NotFound";

const load = {
  dashboard: () => import("@/pages/Dashboard"),
  hosts: () => import("@/pages/Hosts"),
  host: () => import("@/pages/Host"),
  deploy: () => import("@/pages/Deploy"),
  policies: () => import("@/pages/Policies"),
  exclusions: () => import("@/pages/Exclusions"),
  jobs: () => import("@/pages/Jobs"),
  deployment: () => import("@/pages/Deployment"),
  windows: () => import("@/pages/Windows"),
  groups: () => import("@/pages/Groups"),
  settings: () => import("@/pages/Settings"),
};

const Dashboard = lazy(load.dashboard);
const Hosts = lazy(load.hosts);
const Host = lazy(load.host);
const Deploy = lazy(load.deploy);
const Policies = lazy(load.policies);
const Exclusions = lazy(load.exclusions);
const Jobs = lazy(load.jobs);
const Deployment = lazy(load.deployment);
const Windows = lazy(load.windows);
const Groups = lazy(load.groups);
const Settings = lazy(load.settings);

/** Start fetching the page of an address, while the session is still being renewed. */
export function fetchPage(path: string): void {
  const [, first = "", second = ""] = path.split("/");
  const page = { "": load.dashboard, hosts: second === "" ? load.hosts : load.host, deploy: load.deploy }[
    first
  ];
  void page?.().catch(() => undefined);
}

/** Fetch the other pages ahead, once the first one had its turn. */
function preload(): void {
  for (const page of Object.values(load)) void page().catch(() => undefined);
}

export const router = createBrowserRouter([
  {
    element: <Shell onIdle={preload} />,
    errorElement: <PageError />,
    children: [
      {
        errorElement: <PageError />,
        children: [
          { index: true, element: <Dashboard /> },
          { path: "hosts", element: <Hosts /> },
          { path: "hosts/:id", element: <Host /> },
          { path: "deploy", element: <Deploy /> },
          { path: "deploy/policies", element: <Policies /> },
          { path: "deploy/policies/new", element: <Policies making /> },
          { path: "deploy/policies/:id", element: <Policies /> },
          { path: "deploy/exclusions", element: <Exclusions /> },
          { path: "jobs", element: <Jobs /> },
          { path: "jobs/:id", element: <Deployment /> },
          { path: "windows", element: <Windows /> },
          { path: "groups", element: <Groups /> },
          { path: "groups/:id", element: <Groups /> },
          { path: "settings", element: <Settings /> },
          { path: "*", element: <NotFound /> },
        ],
      },
    ],
  },
]);
