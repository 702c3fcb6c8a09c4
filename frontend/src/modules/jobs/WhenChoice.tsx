/** Now, or in the host's own next maintenance window. */
import { Radio } from "@mantine/core";
import classes from "@/modules/jobs/jobs.module.css";
import type { When } from "@/modules/jobs/operations";

interface Props {
  when: When;
  onWhen: (when: When) => void;
}

export function WhenChoice({ when, onWhen }: Props) {
  return (
    <Radio.Group label="When" value={when} onChange={(value) => onWhen(value as When)}>
      <div className={classes.choices}>
        <Radio value="now" label="Now" description="Outside of maintenance windows; never inside a freeze." />
        <Radio
          value="window"
          label="In the host's next maintenance window"
          description="Waits in the queue until it opens; a host without one waits until it has one."
        />
      </div>
    </Radio.Group>
  );
}
