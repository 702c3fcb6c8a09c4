/** Choose hosts by what is pending on them: a package, or everything that closes a CVE. */
import { Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf } from "@/api/problem";
import type { FleetPatch } from "@/api/types";
import { Icon } from "@/components/Icon";
import { SeverityWord } from "@/components/SeverityWord";
import { useToasts } from "@/components/toasts";
import { useQueryParams } from "@/lib/url";
import { plural } from "@/lib/words";
import classes from "@/modules/deploy/Deploy.module.css";
import { useSelection } from "@/modules/fleet/selection";
import { Cves } from "@/modules/hosts/Cves";

const TYPING = 250;
const SHORTEST = 2;
const SHOWN = 8;

export function PatchSearch() {
  const api = useApi();
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text.trim(), TYPING);
  const query = useQuery({
    queryKey: keys.fleetPatches(search),
    queryFn: ({ signal }) =>
      api.get<{ items: FleetPatch[] }>(`fleet/patches?search=${encodeURIComponent(search)}&limit=${SHOWN}`, {
        signal,
      }),
    enabled: search.length >= SHORTEST,
    placeholderData: (before) => before,
  });
  const found = search.length < SHORTEST ? undefined : query.data?.items;
  return (
    <div className={classes.finder}>
      <TextInput
        size="xs"
        w={260}
        label="Or by what is pending"
        placeholder="Package or CVE"
        leftSection={<Icon name="search" size={14} />}
        spellCheck={false}
        value={text}
        error={query.isError ? messageOf(query.error) : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {found !== undefined && (
        <Found
          items={found}
          search={search}
          whole={/^cve-\d{4}-\d{4,}$/i.test(search)}
          onDone={() => setText("")}
        />
      )}
    </div>
  );
}

interface FoundProps {
  items: readonly FleetPatch[];
  search: string;
  /** The search is a whole CVE, which several packages may close together. */
  whole: boolean;
  onDone: () => void;
}

function Found({ items, search, whole, onDone }: FoundProps) {
  const api = useApi();
  const toasts = useToasts();
  const selection = useSelection();
  const [, update] = useQueryParams();
  const choose = async (names: readonly string[]) => {
    const only = names.length === 1 ? `&package=${encodeURIComponent(names[0] ?? "")}` : "";
    try {
      const { host_ids } = await api.get<{ host_ids: string[] }>(
        `fleet/patches/hosts?search=${encodeURIComponent(search)}${only}`,
      );
      selection.add(host_ids);
      update((params) => {
        const before = params.get("what") === "chosen" ? (params.get("packages") ?? "").split(",") : [];
        params.set("what", "chosen");
        params.set("packages", [...new Set([...before.filter(Boolean), ...names])].join(","));
        return params;
      });
      onDone();
    } catch (error) {
      toasts.show("danger", messageOf(error));
    }
  };
  if (items.length === 0) return <p className="muted">Nothing like that is pending on any host.</p>;
  return (
    <ul className={classes.found} aria-label="Pending packages">
      {whole && items.length > 1 && (
        <li>
          <b>{search.toUpperCase()}</b>
          <Button
            variant="default"
            size="compact-xs"
            onClick={() => void choose(items.map((each) => each.name))}
          >
            Choose all {plural(items.length, "package")} and their hosts
          </Button>
        </li>
      )}
      {items.map((each) => (
        <li key={each.name}>
          <span className={classes.foundName}>{each.name}</span>
          <SeverityWord severity={each.severity} />
          <Cves ids={each.cve_ids} />
          <Button variant="default" size="compact-xs" onClick={() => void choose([each.name])}>
            Choose {plural(each.hosts, "host")}
          </Button>
        </li>
      ))}
    </ul>
  );
}
