/** When the windows of a policy's hosts open next, and on how many. */
import type { PolicyPreview } from "@/api/types";
import { Ago } from "@/components/Ago";
import { plural } from "@/lib/words";
import { shortIn, viewerZone } from "@/lib/zones";
import classes from "@/modules/policies/policies.module.css";

export function PolicyOpenings({ openings }: { openings: PolicyPreview["next_openings"] }) {
  if (openings.length === 0)
    return <p className={classes.attention}>None: no window of its hosts opens again.</p>;
  return (
    <ol className={classes.list}>
      {openings.map((each) => (
        <li key={each.opens_at}>
          <span>
            {shortIn(Date.parse(each.opens_at), viewerZone())}{" "}
            <span className="muted">
              <Ago at={each.opens_at} ahead />
            </span>
          </span>
          <span>{plural(each.hosts, "host")}</span>
        </li>
      ))}
    </ol>
  );
}
