/** How a deployment goes over its hosts: all at once or in rings, when it stops, how many may be away. */
import { ActionIcon, Button, Group, Radio, Select, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import { useGroups } from "@/api/queries";
import type { DeploymentPreview } from "@/api/types";
import { Icon } from "@/components/Icon";
import { count, plural } from "@/lib/words";
import classes from "@/modules/deploy/Deploy.module.css";
import { AT_ONCE, CAREFUL, type RingBy, type RingDraft, type RolloutDraft } from "@/modules/deploy/rollout";

const MOST_RINGS = 19;
const NEXT_RING: RingDraft = { by: "percent", value: 25, group: "" };

interface Props {
  draft: RolloutDraft;
  onChange: (draft: RolloutDraft) => void;
  /** The rings as the server would make them. */
  rings: DeploymentPreview["rings"];
  /** The server's word on a part of it, by JSON pointer below the rollout. */
  problem: (pointer: string) => string | undefined;
  reboots: boolean;
}

export function RolloutFields({ draft, onChange, rings, problem, reboots }: Props) {
  const ringed = draft.rings.length > 0;
  return (
    <>
      <Radio.Group
        value={ringed ? "rings" : "all"}
        onChange={(value) =>
          onChange(value === "rings" ? { ...CAREFUL, away: draft.away } : { ...AT_ONCE, away: draft.away })
        }
        aria-label="Order of the hosts"
      >
        <div className={classes.choices}>
          <Radio
            value="all"
            label="All hosts at once"
            description="As many at a time as the manager's limits allow."
          />
          <Radio
            value="rings"
            label="In rings, a few first"
            description="The next ring starts when all before it have ended well enough, and a while has passed."
          />
        </div>
      </Radio.Group>
      {ringed && <Rings draft={draft} onChange={onChange} rings={rings} problem={problem} />}
      <div className={classes.rules}>
        {ringed && (
          <Rule label="Then wait" unit="min" error={problem("/soak_minutes")}>
            <Amount
              label="Minutes to wait after a ring"
              value={draft.soak}
              onChange={(soak) => onChange({ ...draft, soak })}
            />
          </Rule>
        )}
        <Stop draft={draft} onChange={onChange} problem={problem} />
        {reboots && (
          <Rule
            label="Rebooting at once"
            unit={draft.away === null ? "" : "hosts of a group"}
            error={problem("/max_unavailable")}
          >
            <Select
              size="xs"
              w={104}
              aria-label="Limit of hosts that reboot at once"
              allowDeselect={false}
              data={[
                { value: "any", label: "any number" },
                { value: "most", label: "at most" },
              ]}
              value={draft.away === null ? "any" : "most"}
              onChange={(value) => onChange({ ...draft, away: value === "any" ? null : 1 })}
            />
            {draft.away !== null && (
              <Amount
                label="Hosts of a group that may reboot at once"
                value={draft.away}
                onChange={(away) => onChange({ ...draft, away })}
              />
            )}
          </Rule>
        )}
      </div>
    </>
  );
}

function Rings({ draft, onChange, rings, problem }: Omit<Props, "reboots">) {
  const groups = useGroups();
  const set = (index: number, changes: Partial<RingDraft>) =>
    onChange({
      ...draft,
      rings: draft.rings.map((ring, i) => (i === index ? { ...ring, ...changes } : ring)),
    });
  const numbers = rings.length === draft.rings.length + 1 || rings.length === draft.rings.length ? rings : [];
  const rest = numbers[draft.rings.length];
  return (
    <ol className={classes.rings}>
      {draft.rings.map((ring, index) => {
        const wrong = problem(`/rings/${index}`);
        const made = numbers[index];
        return (
          // Rings have no name of their own: their place is what they are.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <li key={index}>
            <span className={classes.ringName}>{index === 0 ? "Canary" : `Ring ${index + 1}`}</span>
            <Select
              size="xs"
              w={128}
              aria-label={`What ring ${index + 1} takes`}
              allowDeselect={false}
              data={[
                { value: "percent", label: "percent" },
                { value: "count", label: "hosts" },
                { value: "group", label: "a group" },
              ]}
              value={ring.by}
              onChange={(by) => by !== null && set(index, { by: by as RingBy, value: ring.value || 5 })}
            />
            {ring.by === "group" ? (
              <Select
                size="xs"
                w={150}
                aria-label={`Group of ring ${index + 1}`}
                placeholder="Which group"
                searchable
                data={groups.map((group) => ({ value: group.id, label: group.name }))}
                value={ring.group === "" ? null : ring.group}
                onChange={(group) => set(index, { group: group ?? "" })}
              />
            ) : (
              <Amount
                label={`Size of ring ${index + 1}`}
                value={ring.value}
                onChange={(value) => set(index, { value })}
              />
            )}
            <ActionIcon
              aria-label={`Remove ring ${index + 1}`}
              onClick={() => onChange({ ...draft, rings: draft.rings.filter((_, i) => i !== index) })}
            >
              <Icon name="close" size={12} />
            </ActionIcon>
            {wrong === undefined ? <Made ring={made} /> : <span className={classes.wrong}>{wrong}</span>}
          </li>
        );
      })}
      <li>
        <span className={classes.ringName}>Then the rest</span>
        {draft.rings.length < MOST_RINGS && (
          <Button
            variant="default"
            size="compact-xs"
            leftSection={<Icon name="plus" size={12} />}
            onClick={() => onChange({ ...draft, rings: [...draft.rings, NEXT_RING] })}
          >
            Add a ring before it
          </Button>
        )}
        <Made ring={rest} />
      </li>
    </ol>
  );
}

function Made({ ring }: { ring: DeploymentPreview["rings"][number] | undefined }) {
  if (ring === undefined) return null;
  const reboots = ring.reboot_count === 0 ? "" : `, ${plural(ring.reboot_count, "reboot")}`;
  return (
    <span className="muted">
      {plural(ring.host_count, "host")}, {plural(ring.package_count, "update")}
      {reboots}
    </span>
  );
}

const STOPS = [
  { value: "never", label: "never" },
  { value: "percent", label: "above a percentage" },
  { value: "failures", label: "above a number" },
];

function Stop({ draft, onChange, problem }: Pick<Props, "draft" | "onChange" | "problem">) {
  const { stop } = draft;
  const set = (by: string | null) => {
    if (by === "percent") onChange({ ...draft, stop: { by, value: 10 } });
    else if (by === "failures") onChange({ ...draft, stop: { by, value: 3 } });
    else onChange({ ...draft, stop: null });
  };
  return (
    <Rule
      label="Stop when failures are"
      unit={stop === null ? "" : stop.by === "percent" ? "% of a ring" : "hosts in all"}
      error={problem("/stop_after_failures") ?? problem("/stop_after_failed_percent")}
    >
      <Select
        size="xs"
        w={154}
        aria-label="Stop when failures are"
        allowDeselect={false}
        data={STOPS}
        value={stop?.by ?? "never"}
        onChange={set}
      />
      {stop !== null && (
        <Amount
          label="Failures that are still accepted"
          value={stop.value}
          onChange={(value) => onChange({ ...draft, stop: { ...stop, value } })}
        />
      )}
    </Rule>
  );
}

interface RuleProps {
  label: string;
  unit: string;
  error: string | undefined;
  children: ReactNode;
}

function Rule({ label, unit, error, children }: RuleProps) {
  return (
    <div>
      <div className={classes.ruleLabel}>{label}</div>
      <Group gap={6} wrap="nowrap">
        {children}
        <span className="muted">{unit}</span>
      </Group>
      {error !== undefined && <div className={classes.wrong}>{error}</div>}
    </div>
  );
}

interface AmountProps {
  label: string;
  value: number;
  onChange: (value: number) => void;
}

function Amount({ label, value, onChange }: AmountProps) {
  return (
    <TextInput
      size="xs"
      w={72}
      type="number"
      min={0}
      aria-label={label}
      title={`${label}: ${count(value)}`}
      value={String(value)}
      onChange={(event) => onChange(Math.max(0, Math.trunc(Number(event.currentTarget.value) || 0)))}
    />
  );
}
