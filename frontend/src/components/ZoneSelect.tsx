/** A time zone by its name; typing any part of it finds it. */
import { Select } from "@mantine/core";
import { useMemo } from "react";
import { viewerZone, zoneNames } from "@/lib/zones";

interface Props {
  label: string;
  /** Show the label above the field instead of only saying it. */
  labelled?: boolean;
  value: string;
  onChange: (zone: string) => void;
  error?: string | undefined;
  description?: string;
  size?: "xs" | "sm";
  width?: number;
}

export function ZoneSelect({
  label,
  labelled = false,
  value,
  onChange,
  error,
  description,
  ...looks
}: Props) {
  const data = useMemo(() => {
    const own = viewerZone();
    const names = zoneNames().filter((name) => name !== own);
    // A window may be in a zone that this browser does not know.
    const all = names.includes(value) || value === own ? names : [value, ...names];
    return [
      { value: own, label: `${own} (yours)` },
      ...all.map((name) => ({ value: name, label: name.replaceAll("_", " ") })),
    ];
  }, [value]);
  return (
    <Select
      {...(labelled ? { label } : { "aria-label": label })}
      size={looks.size ?? "xs"}
      {...(looks.width === undefined ? {} : { w: looks.width })}
      searchable
      limit={60}
      allowDeselect={false}
      nothingFoundMessage="No zone is called that"
      data={data}
      value={value}
      error={error}
      description={description}
      onChange={(zone) => zone !== null && onChange(zone)}
    />
  );
}
