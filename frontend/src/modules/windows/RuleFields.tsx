/** The fields of a window's rule: how it repeats, when it opens, how long, in which zone, and its cutoff. */
import { Group, SegmentedControl, Select, TextInput } from "@mantine/core";
import { Chip } from "@/components/Chip";
import { ZoneSelect } from "@/components/ZoneSelect";
import { clockTime, type Draft, type Kind, ordinal, WEEKDAYS } from "@/modules/windows/rule";
import classes from "@/modules/windows/windows.module.css";

const KINDS: { value: Kind; label: string }[] = [
  { value: "daily", label: "Daily" },
  { value: "weekly", label: "Weekly" },
  { value: "monthly", label: "Monthly" },
  { value: "once", label: "Once" },
];

const NTHS = [
  { value: "1", label: "first" },
  { value: "2", label: "second" },
  { value: "3", label: "third" },
  { value: "4", label: "fourth" },
  { value: "last", label: "last" },
];

const DAYS = WEEKDAYS.map((label, index) => ({ value: String(index), label }));
const DATES = [
  ...Array.from({ length: 31 }, (_, index) => ({ value: String(index + 1), label: ordinal(index + 1) })),
];

interface Props {
  draft: Draft;
  onChange: (changes: Partial<Draft>) => void;
  /** The server's word on a field. */
  problem: (field: string) => string | undefined;
}

export function RuleFields({ draft, onChange, problem }: Props) {
  return (
    <>
      <SegmentedControl
        size="xs"
        aria-label="How it repeats"
        data={KINDS}
        value={draft.kind}
        onChange={(kind) => onChange({ kind: kind as Kind })}
      />
      {draft.kind === "weekly" && <Weekdays draft={draft} onChange={onChange} error={problem("weekdays")} />}
      {draft.kind === "monthly" && <Monthly draft={draft} onChange={onChange} />}
      <Group gap="sm" align="flex-start" wrap="nowrap">
        {draft.kind === "once" && (
          <TextInput
            type="date"
            label="On"
            required
            value={draft.date}
            error={problem("starts_at")}
            onChange={(event) => onChange({ date: event.currentTarget.value })}
          />
        )}
        <TextInput
          label="Opens at"
          required
          w={92}
          placeholder="22:00"
          autoComplete="off"
          value={draft.time}
          error={problem("start_time")}
          onChange={(event) => onChange({ time: event.currentTarget.value })}
          onBlur={() => onChange({ time: clockTime(draft.time) })}
        />
        <div>
          <div className={classes.fieldLabel}>Stays open</div>
          <Group gap={6} wrap="nowrap">
            <Amount
              label="Hours open"
              unit="h"
              value={draft.hours}
              most={168}
              onChange={(hours) => onChange({ hours })}
            />
            <Amount
              label="Minutes open"
              unit="min"
              value={draft.minutes}
              most={59}
              onChange={(minutes) => onChange({ minutes })}
            />
          </Group>
          <Wrong text={problem("duration_minutes")} />
        </div>
      </Group>
      <ZoneSelect
        label="Time zone"
        labelled
        size="sm"
        description="The clock it opens by: usually that of the place where the hosts are needed."
        value={draft.timezone}
        error={problem("timezone")}
        onChange={(timezone) => onChange({ timezone })}
      />
      <div>
        <div className={classes.fieldLabel}>Cutoff</div>
        <Group gap={8} wrap="nowrap">
          <Amount
            label="Cutoff in minutes"
            unit="min"
            value={draft.cutoff}
            most={10_080}
            onChange={(cutoff) => onChange({ cutoff })}
          />
          <span className={classes.help}>
            Nothing starts this long before it closes; what runs goes on. Usually 30: as long as patching
            takes.
          </span>
        </Group>
        <Wrong text={problem("cutoff_minutes")} />
      </div>
    </>
  );
}

function Wrong({ text }: { text: string | undefined }) {
  return text === undefined ? null : <div className={classes.wrong}>{text}</div>;
}

interface AmountProps {
  label: string;
  unit: string;
  value: number;
  most: number;
  onChange: (value: number) => void;
}

function Amount({ label, unit, value, most, onChange }: AmountProps) {
  return (
    <TextInput
      type="number"
      className={classes.amount ?? ""}
      min={0}
      max={most}
      aria-label={label}
      rightSection={<span className="muted">{unit}</span>}
      rightSectionWidth={36}
      value={String(value)}
      onChange={(event) =>
        onChange(Math.min(most, Math.max(0, Math.trunc(Number(event.currentTarget.value) || 0))))
      }
    />
  );
}

function Weekdays({
  draft,
  onChange,
  error,
}: Pick<Props, "draft" | "onChange"> & { error: string | undefined }) {
  const toggle = (day: number) =>
    onChange({
      weekdays: draft.weekdays.includes(day)
        ? draft.weekdays.filter((each) => each !== day)
        : [...draft.weekdays, day],
    });
  return (
    <fieldset className={classes.weekdays}>
      <legend className="visually-hidden">Days of the week</legend>
      {WEEKDAYS.map((name, day) => (
        <Chip key={name} on={draft.weekdays.includes(day)} onToggle={() => toggle(day)}>
          {name.slice(0, 3)}
        </Chip>
      ))}
      <Wrong text={error} />
    </fieldset>
  );
}

function Monthly({ draft, onChange }: Pick<Props, "draft" | "onChange">) {
  return (
    <Group gap={8} wrap="nowrap" align="center">
      <Select
        size="xs"
        w={150}
        aria-label="Which day of the month"
        allowDeselect={false}
        data={[
          { value: "weekday", label: "On a weekday" },
          { value: "day", label: "On a date" },
          { value: "last", label: "On the last day" },
        ]}
        value={draft.monthly}
        onChange={(monthly) => monthly !== null && onChange({ monthly: monthly as Draft["monthly"] })}
      />
      {draft.monthly === "weekday" && (
        <>
          <Select
            size="xs"
            w={100}
            aria-label="Which one of the month"
            allowDeselect={false}
            data={NTHS}
            value={String(draft.nth)}
            onChange={(nth) => nth !== null && onChange({ nth: nth === "last" ? "last" : Number(nth) })}
          />
          <Select
            size="xs"
            w={130}
            aria-label="Weekday"
            allowDeselect={false}
            data={DAYS}
            value={String(draft.weekday)}
            onChange={(weekday) => weekday !== null && onChange({ weekday: Number(weekday) })}
          />
        </>
      )}
      {draft.monthly === "day" && (
        <Select
          size="xs"
          w={90}
          aria-label="Date"
          allowDeselect={false}
          data={DATES}
          value={String(draft.day)}
          onChange={(day) => day !== null && onChange({ day: Number(day) })}
        />
      )}
      {draft.monthly === "day" && draft.day > 28 && (
        <span className="muted">Months without it are skipped.</span>
      )}
    </Group>
  );
}
