/** Install, update or remove on one host. */

import { Checkbox, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import type { HostRow, Package } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { AT_ONCE, useOperations } from "@/modules/jobs/operations";
import { WhenChoice } from "@/modules/jobs/WhenChoice";

const NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,255}$/;

/** What was typed as names of packages: apart by blanks or commas, each once. */
export function namesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((name) => name !== ""))];
}

/** The names that no agent accepts. */
export function badNames(names: readonly string[]): string[] {
  return names.filter((name) => !NAME.test(name));
}

export function InstallPackages({ host, onClose }: { host: HostRow; onClose: () => void }) {
  const { changePackages } = useOperations();
  const [text, setText] = useState("");
  const [terms, setTerms] = useState(AT_ONCE);
  const names = namesIn(text);
  const bad = badNames(names);
  return (
    <Confirm
      title={`Install on ${host.display_name}`}
      label="Install"
      disabled={names.length === 0 || bad.length > 0}
      onClose={onClose}
      onConfirm={async () => {
        const packages = names.map((name) => ({ name, version: null }));
        await changePackages(host.id, { operation: "install", packages, ...terms }, "Installation");
        onClose();
      }}
    >
      <TextInput
        label="Packages"
        description="Names as the host's package manager knows them, apart by blanks. Dependencies come along."
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        value={text}
        error={bad.length === 0 ? undefined : `Not a package name: ${bad[0]}`}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <WhenChoice host={host.id} terms={terms} onTerms={setTerms} />
    </Confirm>
  );
}

interface Props {
  host: HostRow;
  package: Package;
  onClose: () => void;
}

export function ChangePackage({ host, package: chosen, onClose }: Props) {
  const { changePackages } = useOperations();
  const [operation, setOperation] = useState<"update" | "remove">(chosen.upgradable ? "update" : "remove");
  const [terms, setTerms] = useState(AT_ONCE);
  const [purge, setPurge] = useState(false);
  const removes = operation === "remove";
  return (
    <Confirm
      title={`${chosen.name} on ${host.display_name}`}
      label={removes ? `Remove ${chosen.name}` : `Update ${chosen.name}`}
      danger={removes}
      onClose={onClose}
      onConfirm={async () => {
        const packages = [{ name: chosen.name, version: null }];
        const body = { operation, packages, ...terms, ...(removes ? { purge } : {}) };
        await changePackages(host.id, body, removes ? "Removal" : "Update");
        onClose();
      }}
    >
      <Select
        label="What"
        allowDeselect={false}
        data={[
          { value: "update", label: "Update to the newest version", disabled: !chosen.upgradable },
          { value: "remove", label: "Remove" },
        ]}
        value={operation}
        onChange={(value) => setOperation(value === "remove" ? "remove" : "update")}
      />
      {removes ? (
        <>
          <p>
            {chosen.name} {chosen.version} goes, and whatever on this machine needs it goes with it or makes
            the package manager refuse.
          </p>
          <Checkbox
            checked={purge}
            onChange={(event) => setPurge(event.currentTarget.checked)}
            label="Take its configuration too"
          />
        </>
      ) : (
        <p>
          From <span className="mono">{chosen.version ?? "?"}</span> to{" "}
          <span className="mono">{chosen.latest_version ?? "the newest version"}</span>.
        </p>
      )}
      <WhenChoice host={host.id} terms={terms} onTerms={setTerms} />
    </Confirm>
  );
}
