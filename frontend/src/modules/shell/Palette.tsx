/** Search and jump: pages, actions and hosts by any of their names. */

import { Modal, useMantineColorScheme } from "@mantine/core";
import { type KeyboardEvent, useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { useGroups } from "@/api/queries";
import { Icon, type IconName } from "@/components/Icon";
import { choose, NO_FILTER, osOf } from "@/modules/fleet/filters";
import { useFleet } from "@/modules/fleet/store";
import classes from "@/modules/shell/Palette.module.css";

interface Entry {
  key: string;
  icon: IconName;
  text: string;
  hint: string;
  run: () => void;
}

const MOST_HOSTS = 8;

const PAGES: readonly { icon: IconName; text: string; to: string }[] = [
  { icon: "dashboard", text: "Dashboard", to: "/" },
  { icon: "hosts", text: "Hosts", to: "/hosts" },
  { icon: "deploy", text: "Deploy patches", to: "/deploy" },
  { icon: "deploy", text: "Standing policies", to: "/deploy/policies" },
  { icon: "deploy", text: "Exclusions", to: "/deploy/exclusions" },
  { icon: "jobs", text: "Jobs", to: "/jobs" },
  { icon: "windows", text: "Maintenance windows", to: "/windows" },
  { icon: "groups", text: "Groups", to: "/groups" },
  { icon: "settings", text: "Settings: notifications by mail and webhook", to: "/settings" },
  { icon: "warning", text: "Unreachable hosts", to: "/hosts?health=unreachable" },
  { icon: "warning", text: "Hosts with overdue security patches", to: "/hosts?is=overdue" },
  { icon: "reboot", text: "Hosts that need a reboot", to: "/hosts?is=reboot" },
  {
    icon: "deploy",
    text: "Deploy security patches to overdue hosts",
    to: "/deploy?is=overdue&what=security",
  },
  { icon: "windows", text: "Hosts without a window", to: "/windows?tab=without" },
  { icon: "snow", text: "Freezes", to: "/windows?tab=freezes" },
  { icon: "jobs", text: "Failed jobs", to: "/jobs?view=failures" },
];

export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const entries = useEntries(text);
  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((now) => Math.min(entries.length - 1, now + 1));
    else if (event.key === "ArrowUp") setAt((now) => Math.max(0, now - 1));
    else if (event.key === "Enter") run(entries[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      size={560}
      yOffset="12vh"
      centered={false}
      padding={0}
      title={undefined}
      attributes={{ content: { "aria-label": "Search or jump to" } }}
    >
      <input
        className={classes.input}
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={entries[at] === undefined ? undefined : `palette-${at}`}
        aria-label="Search hosts, pages and actions"
        placeholder="Host, page or action"
        data-autofocus
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keyed}
      />
      <div id="palette-list" role="listbox" aria-label="Results" className={classes.list}>
        {entries.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input's keys move through the list
          <div
            key={entry.key}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className={classes.entry}
            ref={(element) => {
              if (index === at) element?.scrollIntoView({ block: "nearest" });
            }}
            onPointerMove={() => setAt(index)}
            onClick={() => run(entry)}
          >
            <Icon name={entry.icon} size={14} />
            <span className="ellipsis">{entry.text}</span>
            <span className={classes.hint}>{entry.hint}</span>
          </div>
        ))}
        {entries.length === 0 && <p className={classes.nothing}>Nothing is called that.</p>}
      </div>
    </Modal>
  );
}

function useEntries(text: string): Entry[] {
  const fleet = useFleet();
  const groups = useGroups();
  const navigate = useNavigate();
  const { session } = useApi();
  const { setColorScheme } = useMantineColorScheme();
  return useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (entry: Entry) => words.every((word) => entry.text.toLowerCase().includes(word));
    const pages = PAGES.map(
      (page): Entry => ({
        key: page.to,
        icon: page.icon,
        text: page.text,
        hint: "",
        run: () => void navigate(page.to),
      }),
    );
    const others: Entry[] = [
      ...groups.map(
        (group): Entry => ({
          key: group.id,
          icon: "groups",
          text: group.name,
          hint: "group",
          run: () => void navigate(`/groups/${group.id}`),
        }),
      ),
      { key: "light", icon: "sun", text: "Light theme", hint: "action", run: () => setColorScheme("light") },
      { key: "dark", icon: "moon", text: "Dark theme", hint: "action", run: () => setColorScheme("dark") },
      { key: "out", icon: "signout", text: "Sign out", hint: "action", run: () => void session.signOut() },
    ];
    if (words.length === 0) return pages;
    const hosts = choose(fleet.rows.values(), { ...NO_FILTER, q: text }, "name").slice(0, MOST_HOSTS);
    return [
      ...hosts.map(
        (row): Entry => ({
          key: row.id,
          icon: "hosts",
          text: row.display_name,
          hint: `${row.address} · ${osOf(row)} · ${row.health}`,
          run: () => void navigate(`/hosts/${row.id}`),
        }),
      ),
      ...[...pages, ...others].filter(fits),
    ];
  }, [text, fleet, groups, navigate, session, setColorScheme]);
}
