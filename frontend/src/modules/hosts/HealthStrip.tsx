/** A host's last thirty days on one line. */

import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { HealthChange, Page } from "@/api/types";
import { Failure } from "@/components/Notice";
import { useNow } from "@/lib/clock";
import { exact, span } from "@/lib/time";
import classes from "@/modules/hosts/Host.module.css";
import { STRIP_DAYS, segments, stripWords } from "@/modules/hosts/health";

export function HealthStrip({ id }: { id: string }) {
  const api = useApi();
  const now = useNow();
  const query = useQuery({
    queryKey: keys.history(id),
    queryFn: ({ signal }) =>
      api.get<Page<HealthChange>>(`hosts/${id}/health-history?days=${STRIP_DAYS}`, { signal }),
  });
  const strip = useMemo(() => segments(query.data?.items ?? [], now), [query.data, now]);
  if (query.isError) {
    return <Failure error={query.error} doing="read the health history" retry={() => void query.refetch()} />;
  }
  if (query.isPending) return <Skeleton height={44} />;
  const words = stripWords(strip);
  return (
    <figure className={classes.stripBox}>
      <div className={classes.strip} role="img" aria-label={words}>
        {strip.map((segment) => (
          <span
            key={segment.from}
            data-health={segment.health}
            style={{ flexGrow: segment.to - segment.from }}
            title={`${segment.health} for ${span(segment.to - segment.from)} from ${exact(new Date(segment.from).toISOString())}${segment.reason === "" ? "" : `: ${segment.reason}`}`}
          />
        ))}
      </div>
      <figcaption>
        <span>{STRIP_DAYS} days ago</span>
        <span>{words}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
