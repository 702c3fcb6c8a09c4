/** The next openings of a window that is being typed, as the scheduler will open it, and what clocks do to them. */
import { Skeleton } from "@mantine/core";
import { messageOf, ProblemError } from "@/api/problem";
import type { WindowCreate } from "@/api/types";
import { Ago } from "@/components/Ago";
import { shortIn, viewerZone } from "@/lib/zones";
import type { useNextOpenings } from "@/modules/windows/queries";
import { remark } from "@/modules/windows/remarks";
import { minutesWords } from "@/modules/windows/rule";
import classes from "@/modules/windows/windows.module.css";

interface Props {
  query: ReturnType<typeof useNextOpenings>;
  body: WindowCreate | null;
  /** Why there is nothing to ask about yet. */
  missing: string | null;
}

export function NextOpenings({ query, body, missing }: Props) {
  const refused = query.error instanceof ProblemError && query.error.problem.errors.length > 0;
  return (
    <section className={classes.next} aria-label="Next openings">
      <h3>Next openings</h3>
      <p className="muted">
        {body === null || body.timezone === viewerZone()
          ? "On the clock of the host's zone, which is yours too."
          : `On the clock of ${body.timezone}: the host's, not yours.`}
      </p>
      {missing !== null && <p>{missing}</p>}
      {missing === null && query.isError && (
        <p className={classes.wrong}>
          {refused ? "Something in the rule does not work: see its field." : messageOf(query.error)}
        </p>
      )}
      {missing === null && query.isPending && <Skeleton height={120} />}
      {missing === null && query.data !== undefined && !query.isError && body !== null && (
        <>
          {query.data.items.length === 0 && (
            <p className={classes.wrong}>It never opens: that time is over.</p>
          )}
          <ol className={classes.openings} data-testid="next-openings">
            {query.data.items.map((each) => {
              const note = remark(each, body.start_time, body.timezone);
              return (
                <li key={each.opens_at}>
                  <div className={classes.opening}>
                    <span>{shortIn(Date.parse(each.opens_at), body.timezone)}</span>
                    <span className="muted">
                      <Ago at={each.opens_at} ahead />
                    </span>
                  </div>
                  {note !== null && <div className={classes.remark}>{note}</div>}
                </li>
              );
            })}
          </ol>
          {query.data.items.length > 0 && (
            <p className="muted">
              Each time open for {minutesWords(body.duration_minutes)}
              {body.cutoff_minutes > 0 &&
                `, starting work in the first ${minutesWords(Math.max(0, body.duration_minutes - body.cutoff_minutes))}`}
              .
            </p>
          )}
        </>
      )}
    </section>
  );
}
