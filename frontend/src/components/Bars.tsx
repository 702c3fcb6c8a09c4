/** Small stacked bars: patches by severity, jobs by state. Each says its numbers in its label. */
import type { CSSProperties } from "react";
import type { JobTotals, SeverityCounts } from "@/api/types";
import classes from "@/components/Bars.module.css";
import { count, plural, spaced } from "@/lib/words";

export const SEVERITIES = ["critical", "high", "medium", "low", "unknown"] as const;

/** `2 critical, 4 high`; `none pending` for nothing. */
export function severityWords(counts: SeverityCounts): string {
  const words = SEVERITIES.filter((name) => counts[name] > 0).map((name) => `${count(counts[name])} ${name}`);
  return words.length === 0 ? "none pending" : words.join(", ");
}

interface SeverityProps {
  counts: SeverityCounts;
  width?: number;
}

export function SeverityBar({ counts, width = 72 }: SeverityProps) {
  const total = SEVERITIES.reduce((sum, name) => sum + counts[name], 0);
  const words = severityWords(counts);
  return (
    <span className={classes.bar} style={{ width }} role="img" aria-label={words} title={words}>
      {total > 0 &&
        SEVERITIES.filter((name) => counts[name] > 0).map((name) => (
          <span key={name} className={classes[name]} style={{ flexGrow: counts[name] } as CSSProperties} />
        ))}
    </span>
  );
}

const JOB_ORDER = [
  ["succeeded", "succeeded"],
  ["failed", "failed"],
  ["outcome_unknown", "outcome_unknown"],
  ["cancelled", "cancelled"],
  ["verifying", "verifying"],
  ["rebooting", "active"],
  ["running", "active"],
  ["dispatching", "active"],
  ["queued", "queued"],
] as const;

/** `12 of 41 hosts succeeded, 1 failed, 3 running`. */
export function jobWords(totals: JobTotals): string {
  const rest = JOB_ORDER.filter(([name]) => name !== "succeeded" && totals[name] > 0).map(
    ([name]) => `${count(totals[name])} ${spaced(name)}`,
  );
  return [`${count(totals.succeeded)} of ${plural(totals.total, "host")} succeeded`, ...rest].join(", ");
}

export function JobBar({ totals }: { totals: JobTotals }) {
  const words = jobWords(totals);
  return (
    <span className={`${classes.bar} ${classes.wide}`} role="img" aria-label={words} title={words}>
      {JOB_ORDER.filter(([name]) => totals[name] > 0).map(([name, look]) => (
        <span key={name} className={classes[look]} style={{ flexGrow: totals[name] } as CSSProperties} />
      ))}
    </span>
  );
}
