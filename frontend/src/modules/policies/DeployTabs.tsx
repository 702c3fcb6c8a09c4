/** The three ways to patching: by hand, by a standing rule, and what is kept out of both. */
import { Tabs } from "@mantine/core";
import { useLocation, useNavigate } from "react-router";

const TABS = [
  ["/deploy", "Deploy"],
  ["/deploy/policies", "Standing policies"],
  ["/deploy/exclusions", "Exclusions"],
] as const;

export function DeployTabs() {
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const here = TABS.findLast(([path]) => pathname === path || pathname.startsWith(`${path}/`))?.[0];
  return (
    <Tabs
      value={here ?? "/deploy"}
      onChange={(path) => path !== null && void navigate(path)}
      aria-label="Ways to patch"
    >
      <Tabs.List>
        {TABS.map(([path, text]) => (
          <Tabs.Tab key={path} value={path}>
            {text}
          </Tabs.Tab>
        ))}
      </Tabs.List>
    </Tabs>
  );
}
