/** A severity as colour and word. */

import type { Severity } from "@/api/types";
import classes from "@/components/Bars.module.css";

export function SeverityWord({ severity }: { severity: Severity }) {
  return (
    <span className={classes.severity}>
      <span className={`${classes.square} ${classes[severity]}`} />
      {severity}
    </span>
  );
}
