/** What a policy leaves out: packages or patterns, each with its reason. */
import { Button, TextInput } from "@mantine/core";
import type { PolicyBody } from "@/api/types";
import { Icon } from "@/components/Icon";
import classes from "@/modules/policies/policies.module.css";

type Exclude = PolicyBody["exclude"];

interface Props {
  value: Exclude;
  onChange: (value: Exclude) => void;
  problem: (index: number) => string | undefined;
}

export function ExcludeFields({ value, onChange, problem }: Props) {
  const set = (index: number, change: Partial<Exclude[number]>) =>
    onChange(value.map((each, at) => (at === index ? { ...each, ...change } : each)));
  return (
    <>
      {value.map((each, index) => (
        // Rows are told apart by their place: nothing else of them is theirs alone while it is typed.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <div key={index} className={classes.inline}>
          <TextInput
            className={classes.wide}
            label={index === 0 ? "Package or pattern" : undefined}
            aria-label="Package or pattern"
            placeholder="linux-image-*"
            spellCheck={false}
            maxLength={256}
            value={each.package}
            error={problem(index)}
            onChange={(event) => set(index, { package: event.currentTarget.value })}
          />
          <TextInput
            className={classes.wide}
            label={index === 0 ? "Reason" : undefined}
            aria-label="Reason"
            maxLength={500}
            value={each.reason}
            onChange={(event) => set(index, { reason: event.currentTarget.value })}
          />
          <Button
            variant="default"
            aria-label={`Do not leave out ${each.package || "this"}`}
            onClick={() => onChange(value.filter((_, at) => at !== index))}
          >
            <Icon name="trash" size={14} />
          </Button>
        </div>
      ))}
      <div>
        <Button
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          onClick={() => onChange([...value, { package: "", reason: "" }])}
        >
          Leave out a package
        </Button>
      </div>
    </>
  );
}
