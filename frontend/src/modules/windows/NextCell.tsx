/** When a host may be touched next, for a table of hosts; on the clock of its window's zone. */
import { Link } from "react-router";
import { Mark } from "@/components/Mark";
import { useNow } from "@/lib/clock";
import { relative } from "@/lib/time";
import { exactIn, shortIn } from "@/lib/zones";
import { useNextOpeningOf } from "@/modules/windows/queries";

export function NextCell({ id }: { id: string }) {
  const now = useNow();
  const { known, next } = useNextOpeningOf(id);
  if (!known) return <span className="muted">…</span>;
  if (next === undefined) return <Link to={`/hosts/${id}?tab=windows`}>none</Link>;
  const [opens, closes] = [Date.parse(next.opens_at), Date.parse(next.closes_at)];
  if (opens <= now && now < closes)
    return (
      <span title={`closes ${exactIn(closes, next.timezone)}`}>
        <Mark tone="working">open now</Mark>
      </span>
    );
  return (
    <span title={`${exactIn(opens, next.timezone)}, ${relative(next.opens_at, now)}`}>
      {shortIn(opens, next.timezone, now)}
    </span>
  );
}
