/** A moment: relative in the text, exact on hover. */
import { useNow } from "@/lib/clock";
import { exact, relative } from "@/lib/time";

interface Props {
  at: string | null | undefined;
  /** Shown when there is no moment yet. */
  none?: string;
  /** Tick every second instead of every 15. */
  fine?: boolean;
  /** A moment that may be to come: `in 3 h`. */
  ahead?: boolean;
}

export function Ago({ at, none = "never", fine = false, ahead = false }: Props) {
  const now = useNow(fine);
  if (at === null || at === undefined) return <span className="muted">{none}</span>;
  return (
    <time dateTime={at} title={exact(at)}>
      {/* The clock ticks slowly, and what happened since its last tick is not to come. */}
      {relative(at, ahead ? now : Math.max(now, Date.parse(at)))}
    </time>
  );
}
