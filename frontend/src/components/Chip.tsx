/** A filter that is on or off, with the number it would show. */
import type { ReactNode } from "react";
import { Shape, type Tone } from "@/components/Mark";
import classes from "@/components/page.module.css";
import { count } from "@/lib/words";

interface Props {
  on: boolean;
  onToggle: () => void;
  number?: number;
  tone?: Tone;
  children: ReactNode;
}

export function Chip({ on, onToggle, number, tone, children }: Props) {
  return (
    <button
      type="button"
      className={classes.chip}
      aria-pressed={on}
      data-zero={number === 0 && !on}
      onClick={onToggle}
    >
      {tone !== undefined && <Shape tone={tone} />}
      {children}
      {number !== undefined && <b>{count(number)}</b>}
    </button>
  );
}
