/** Now, or in the host's own next maintenance window; and what a freeze means for that. */
import { Radio } from "@mantine/core";
import classes from "@/modules/jobs/jobs.module.css";
import type { Terms, When } from "@/modules/jobs/operations";
import { FreezeNotice } from "@/modules/windows/FreezeNotice";
import { useFreezesOf } from "@/modules/windows/queries";

interface Props {
  host: string;
  terms: Terms;
  onTerms: (terms: Terms) => void;
}

export function WhenChoice({ host, terms, onTerms }: Props) {
  const freezes = useFreezesOf(host);
  return (
    <>
      <Radio.Group
        label="When"
        value={terms.when}
        onChange={(when) => onTerms({ ...terms, when: when as When })}
      >
        <div className={classes.choices}>
          <Radio value="now" label="Now" description="Outside of maintenance windows; a freeze holds it." />
          <Radio
            value="window"
            label="In the host's next maintenance window"
            description="Waits in the queue until it opens; a host without one waits until it has one."
          />
        </div>
      </Radio.Group>
      {freezes.length > 0 && (
        <FreezeNotice
          held="this host"
          freezes={freezes}
          meanwhile="Nothing starts before; the job waits."
          override={terms.override_freeze}
          onOverride={(override_freeze) => onTerms({ ...terms, override_freeze })}
        />
      )}
    </>
  );
}
