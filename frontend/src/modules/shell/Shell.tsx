/** The frame around every page: rail, bar with place, search, live state, theme and me, and the keys that work everywhere. */

import { ActionIcon, Menu, Skeleton, Tooltip, useMantineColorScheme } from "@mantine/core";
import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { Link, NavLink, Outlet, useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { useMe } from "@/api/queries";
import { Icon, type IconName } from "@/components/Icon";
import { useKeys } from "@/lib/keyboard";
import { Value } from "@/lib/store";
import { count } from "@/lib/words";
import { useTotals } from "@/modules/fleet/store";
import { useUnseenFailures } from "@/modules/jobs/failures";
import { LiveIndicator } from "@/modules/shell/LiveIndicator";
import classes from "@/modules/shell/Shell.module.css";
import { type Title, TitleContext } from "@/modules/shell/title";

const Palette = lazy(() => import("@/modules/shell/Palette"));
const KeyHelp = lazy(() => import("@/modules/shell/KeyHelp"));

const APPLE = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function Shell({ onIdle }: { onIdle: () => void }) {
  const [title] = useState(() => new Value<Title>({ text: "" }));
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const navigate = useNavigate();
  useKeys({
    "mod+k": (event) => {
      event.preventDefault();
      setOpen((now) => (now === "palette" ? null : "palette"));
    },
    "?": () => setOpen("keys"),
    g: () => window.addEventListener("keydown", go, { once: true, capture: true }),
  });
  const go = (event: KeyboardEvent) => {
    const to = { d: "/", h: "/hosts", p: "/deploy", j: "/jobs", w: "/windows", g: "/groups", s: "/settings" }[
      event.key
    ];
    if (to !== undefined) {
      event.stopPropagation();
      void navigate(to);
    }
  };
  useEffect(() => {
    const later = setTimeout(() => {
      void import("@/modules/shell/Palette").catch(() => undefined);
      onIdle();
    }, 1_000);
    return () => clearTimeout(later);
  }, [onIdle]);

  return (
    <TitleContext value={title}>
      <a href="#content" className={classes.skip}>
        Skip to content
      </a>
      <div className={classes.frame}>
        <Rail />
        <div className={classes.main}>
          <header className={classes.bar}>
            <Where title={title} />
            <button type="button" className={classes.search} onClick={() => setOpen("palette")}>
              <Icon name="search" size={14} />
              Search or jump to
              <kbd>{APPLE ? "⌘K" : "Ctrl K"}</kbd>
            </button>
            <LiveIndicator />
            <ThemeSwitch />
            <MeMenu onKeys={() => setOpen("keys")} />
          </header>
          <main id="content" className={classes.content} tabIndex={-1}>
            <Suspense fallback={<PageSkeleton />}>
              <Outlet />
            </Suspense>
          </main>
        </div>
      </div>
      <Suspense>
        {open === "palette" && <Palette onClose={() => setOpen(null)} />}
        {open === "keys" && <KeyHelp onClose={() => setOpen(null)} />}
      </Suspense>
    </TitleContext>
  );
}

function Where({ title }: { title: Value<Title> }) {
  const { text, parent } = useSyncExternalStore(title.subscribe, title.get);
  return (
    <div className={classes.where}>
      {parent !== undefined && (
        <>
          <Link to={parent.to}>{parent.text}</Link>
          <span className="muted">/</span>
        </>
      )}
      <h1 className="ellipsis">{text}</h1>
    </div>
  );
}

function Rail() {
  const totals = useTotals();
  const failures = useUnseenFailures();
  const trouble = (totals?.by_health.unreachable ?? 0) + (totals?.by_actor_state.quarantined ?? 0);
  return (
    <nav className={classes.rail} aria-label="Main">
      <Link to="/" className={classes.brand}>
        <img src="/assets/mark.svg" width="20" height="20" alt="" />
        <span className={classes.word}>Patch Manager</span>
      </Link>
      <RailItem to="/" icon="dashboard" text="Dashboard" />
      <RailItem to="/hosts" icon="hosts" text="Hosts" count={trouble} counts="unreachable or quarantined" />
      <RailItem to="/deploy" icon="deploy" text="Deploy" />
      <RailItem to="/jobs" icon="jobs" text="Jobs" count={failures} counts="failed since you last looked" />
      <RailItem to="/windows" icon="windows" text="Windows" />
      <RailItem to="/groups" icon="groups" text="Groups" />
      <RailItem to="/settings" icon="settings" text="Settings" />
    </nav>
  );
}

interface RailItemProps {
  to: string;
  icon: IconName;
  text: string;
  count?: number;
  counts?: string;
}

function RailItem({ to, icon, text, count: number = 0, counts }: RailItemProps) {
  return (
    <NavLink to={to} end={to === "/"} className={classes.item} title={text}>
      <Icon name={icon} />
      <span className={classes.word}>{text}</span>
      {number > 0 && (
        <span className={classes.count} title={`${count(number)} ${counts}`}>
          {count(number)}
          <span className="visually-hidden"> {counts}</span>
        </span>
      )}
    </NavLink>
  );
}

const SCHEMES = [
  { value: "light", text: "Light", icon: "sun" },
  { value: "dark", text: "Dark", icon: "moon" },
  { value: "auto", text: "As the system", icon: "system" },
] as const;

function ThemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const current = SCHEMES.find((scheme) => scheme.value === colorScheme) ?? SCHEMES[2];
  return (
    <Menu>
      <Menu.Target>
        <Tooltip label={`Theme: ${current.text.toLowerCase()}`}>
          <ActionIcon aria-label="Theme">
            <Icon name={current.icon} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map((scheme) => (
          <Menu.Item
            key={scheme.value}
            leftSection={<Icon name={scheme.icon} size={14} />}
            rightSection={scheme.value === colorScheme ? <Icon name="check" size={14} /> : undefined}
            onClick={() => setColorScheme(scheme.value)}
          >
            {scheme.text}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function MeMenu({ onKeys }: { onKeys: () => void }) {
  const me = useMe();
  const { session } = useApi();
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon aria-label={me === undefined ? "Me" : `Me: ${me.username}`}>
          <Icon name="user" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me === undefined ? "…" : `${me.username} · ${me.role}`}</Menu.Label>
        <Menu.Item leftSection={<Icon name="keyboard" size={14} />} onClick={onKeys}>
          Keyboard shortcuts
        </Menu.Item>
        <Menu.Item
          component="a"
          href="/api/docs"
          target="_blank"
          leftSection={<Icon name="external" size={14} />}
        >
          API documentation
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="signout" size={14} />} onClick={() => void session.signOut()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function PageSkeleton() {
  return (
    <div className="page" aria-busy="true">
      <Skeleton height={22} width="55%" />
      <Skeleton height={360} />
    </div>
  );
}
