/** A meaning as shape and word: never colour alone. The shapes are those of the fleet map. */
import type { ReactNode } from "react";
import classes from "@/components/Mark.module.css";

export type Tone = "healthy" | "attention" | "danger" | "working" | "unknown";

const SHAPES: Record<Tone, ReactNode> = {
  healthy: <rect x="1" y="1" width="10" height="10" rx="2" fill="var(--pm-healthy)" />,
  attention: <path d="M6 0.6 11.6 11H0.400z" fill="var(--pm-attention)" />,
  danger: (
    <>
      <rect width="12" height="12" rx="2" fill="var(--pm-danger)" />
      <path d="M3.5 3.500l5 5M8.5 3.500l-5 5" stroke="var(--pm-surface)" strokeWidth="1.6" />
    </>
  ),
  working: (
    <>
      <rect
        x="0.7"
        y="0.7"
        width="10.6"
        height="10.6"
        rx="2"
        fill="none"
        stroke="var(--pm-working)"
        strokeWidth="1.4"
      />
      <path d="M1 6h10v4.500H1z" fill="var(--pm-working)" />
    </>
  ),
  unknown: (
    <rect
      x="1"
      y="1"
      width="10"
      height="10"
      rx="2"
      fill="none"
      stroke="var(--pm-unknown)"
      strokeWidth="1.4"
      strokeDasharray="2.2 1.6"
    />
  ),
};

export function Shape({ tone }: { tone: Tone }) {
  return (
    <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
      {SHAPES[tone]}
    </svg>
  );
}

export function Mark({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`${classes.mark} ${classes[tone]}`}>
      <Shape tone={tone} />
      <span className="ellipsis">{children}</span>
    </span>
  );
}
