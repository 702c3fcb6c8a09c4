/** Search and chips over a host list; every chip says how many hosts it would show. */

import { Button, CloseButton, Select, TextInput } from "@mantine/core";
import { useEffect, useMemo, useRef } from "react";
import { useGroups } from "@/api/queries";
import { Chip } from "@/components/Chip";
import { Icon } from "@/components/Icon";
import page from "@/components/page.module.css";
import { useKeys } from "@/lib/keyboard";
import { count, naturally } from "@/lib/words";
import {
  facets,
  type HostFilter,
  isFiltered,
  NO_FILTER,
  QUESTIONS,
  type Question,
} from "@/modules/fleet/filters";
import { useFleet, useFleetVersion } from "@/modules/fleet/store";
import { HEALTH_TONES, HEALTHS } from "@/modules/fleet/words";

interface Props {
  filter: HostFilter;
  onChange: (filter: HostFilter) => void;
}

function toggled<Word>(list: readonly Word[], word: Word): Word[] {
  return list.includes(word) ? list.filter((other) => other !== word) : [...list, word];
}

export function FilterBar({ filter, onChange }: Props) {
  const fleet = useFleet();
  const version = useFleetVersion(1_000);
  const groups = useGroups();
  const search = useRef<HTMLInputElement>(null);
  // `version` stands for the rows, which the store changes in place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const counts = useMemo(() => facets(fleet.rows.values(), filter), [fleet, filter, version]);
  useKeys({
    "/": (event) => {
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    },
  });
  useEffect(() => {
    // The field is uncontrolled, so that typing never waits for 2,500 rows; outside changes are written into it.
    if (search.current !== null && search.current.value !== filter.q) search.current.value = filter.q;
  }, [filter.q]);

  const groupOptions = [
    ...groups.map((group) => ({
      value: group.id,
      label: `${group.name} (${count(counts.group.get(group.id) ?? 0)})`,
    })),
    { value: "none", label: `No group (${count(counts.group.get("none") ?? 0)})` },
  ];
  const systems = [...counts.os].sort(([a], [b]) => naturally.compare(a, b));
  if (filter.os !== null && !counts.os.has(filter.os)) systems.push([filter.os, 0]);
  return (
    <div className={page.toolbar} role="search">
      <TextInput
        ref={search}
        size="xs"
        w={240}
        aria-label="Search hosts"
        placeholder="Name, address, system, reason"
        leftSection={<Icon name="search" size={14} />}
        rightSection={
          filter.q === "" ? (
            <kbd>/</kbd>
          ) : (
            <CloseButton size="sm" aria-label="Clear search" onClick={() => onChange({ ...filter, q: "" })} />
          )
        }
        defaultValue={filter.q}
        onChange={(event) => onChange({ ...filter, q: event.currentTarget.value })}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      {HEALTHS.map((health) => (
        <Chip
          key={health}
          on={filter.health.includes(health)}
          number={counts.health[health]}
          tone={HEALTH_TONES[health]}
          onToggle={() => onChange({ ...filter, health: toggled(filter.health, health) })}
        >
          {health}
        </Chip>
      ))}
      {(Object.keys(QUESTIONS) as Question[]).map((question) => (
        <Chip
          key={question}
          on={filter.is.includes(question)}
          number={counts.is[question]}
          onToggle={() => onChange({ ...filter, is: toggled(filter.is, question) })}
        >
          {QUESTIONS[question]}
        </Chip>
      ))}
      {filter.actor.map((state) => (
        <Chip key={state} on onToggle={() => onChange({ ...filter, actor: toggled(filter.actor, state) })}>
          {state.replace("_", " ")}
        </Chip>
      ))}
      {filter.severity.map((severity) => (
        <Chip
          key={severity}
          on
          onToggle={() => onChange({ ...filter, severity: toggled(filter.severity, severity) })}
        >
          {severity} pending
        </Chip>
      ))}
      <Select
        size="xs"
        w={150}
        aria-label="Group"
        placeholder="Any group"
        clearable
        searchable
        data={groupOptions}
        value={filter.group}
        onChange={(group) => onChange({ ...filter, group })}
      />
      <Select
        size="xs"
        w={150}
        aria-label="System"
        placeholder="Any system"
        clearable
        searchable
        data={systems.map(([name, number]) => ({ value: name, label: `${name} (${count(number)})` }))}
        value={filter.os}
        onChange={(os) => onChange({ ...filter, os })}
      />
      {isFiltered(filter) && (
        <Button variant="subtle" onClick={() => onChange(NO_FILTER)}>
          Clear filters
        </Button>
      )}
    </div>
  );
}
