/** A host's groups by name. */
import { useGroups } from "@/api/queries";

export function GroupNames({ ids }: { ids: readonly string[] }) {
  const groups = useGroups();
  if (ids.length === 0) return <span className="muted">none</span>;
  const names = groups.filter((group) => ids.includes(group.id)).map((group) => group.name);
  return <span title={names.join(", ")}>{names.join(", ")}</span>;
}
