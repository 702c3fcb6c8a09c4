/** Which hosts a policy begins with, and what stops the others. */
import { Radio, Select, TextInput } from "@mantine/core";
import type { Group } from "@/api/types";
import classes from "@/modules/policies/policies.module.css";
import type { Simple } from "@/modules/policies/words";

interface Props {
  value: Simple;
  onChange: (value: Simple) => void;
  groups: readonly Group[];
  /** The rings as kept say more than these fields can. */
  kept: boolean;
  problem: string | undefined;
}

export function RingFields({ value, onChange, groups, kept, problem }: Props) {
  const set = (change: Partial<Simple>) => onChange({ ...value, ...change });
  return (
    <>
      <Radio.Group
        value={value.first}
        onChange={(first) => set({ first: first as Simple["first"] })}
        error={problem}
        aria-label="Which hosts go first"
      >
        <div className={classes.body} style={{ padding: 0 }}>
          <Radio value="none" label="All alike" description="Every host starts when its own window opens." />
          <Radio value="count" label="A few hosts first" description="The same few every time." />
          <Radio value="group" label="A group first" description="Its hosts are the canary." />
          {kept && <Radio value="kept" label="Keep the rings as they are" description="Made over the API." />}
        </div>
      </Radio.Group>
      {(value.first === "count" || value.first === "group") && (
        <div className={classes.inline}>
          {value.first === "count" ? (
            <Amount
              label="Hosts first"
              min={1}
              value={value.count}
              onChange={(n) => set({ count: n ?? 1 })}
            />
          ) : (
            <Select
              className={classes.wide}
              label="Group first"
              searchable
              required
              data={groups.map((group) => ({ value: group.id, label: group.name }))}
              value={value.group}
              onChange={(group) => set({ group })}
            />
          )}
          <Amount label="Soak, minutes" min={0} value={value.soak} onChange={(n) => set({ soak: n ?? 0 })} />
          <Amount
            label="Failures allowed"
            min={0}
            value={value.failures}
            onChange={(failures) => set({ failures })}
          />
        </div>
      )}
      {(value.first === "count" || value.first === "group") && (
        <p className="muted">
          The others start in their windows once the first ones have ended, soaked, and not failed more than
          allowed. Give the first ones a window before the others'.
        </p>
      )}
    </>
  );
}

interface AmountProps {
  label: string;
  min: number;
  value: number | null;
  /** Null for an empty field. */
  onChange: (value: number | null) => void;
}

function Amount({ label, min, value, onChange }: AmountProps) {
  return (
    <TextInput
      type="number"
      className={classes.amount}
      label={label}
      min={min}
      step={1}
      placeholder="any"
      value={value ?? ""}
      onChange={(event) => {
        const number = Number.parseInt(event.currentTarget.value, 10);
        onChange(Number.isNaN(number) ? null : Math.max(min, number));
      }}
    />
  );
}
