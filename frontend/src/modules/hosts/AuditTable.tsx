/** Who changed what about one host, newest first. */

import { Button, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { AuditEvent, HostRow, Page } from "@/api/types";
import { Ago } from "@/components/Ago";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { count, plural } from "@/lib/words";
import { detailWords, OUTCOME_TONES } from "@/modules/hosts/auditWords";

type Row = AuditEvent & { id: string; words: string };

const AT_ONCE = 200;

const COLUMNS: readonly Column<Row>[] = [
  { id: "at", title: "When", width: 116, cell: (row) => <Ago at={row.at} /> },
  { id: "actor", title: "Who", width: 140, grow: 1, cell: (row) => row.actor },
  { id: "action", title: "What", width: 170, cell: (row) => <span className="mono">{row.action}</span> },
  {
    id: "outcome",
    title: "Outcome",
    width: 110,
    cell: (row) => <Mark tone={OUTCOME_TONES[row.outcome]}>{row.outcome}</Mark>,
  },
  {
    id: "detail",
    title: "Details",
    width: 260,
    grow: 5,
    cell: (row) => <span title={row.words}>{row.words}</span>,
  },
  {
    id: "ip",
    title: "From",
    width: 130,
    cell: (row) => (
      <span title={row.request_id === null ? undefined : `request ${row.request_id}`}>{row.ip ?? "–"}</span>
    ),
  },
  {
    id: "seq",
    title: "Entry",
    width: 76,
    align: "right",
    help: "Its number in the audit log, which audit verify names",
    cell: (row) => count(row.seq),
  },
];

export function AuditTable({ host }: { host: HostRow }) {
  const api = useApi();
  const query = useInfiniteQuery({
    queryKey: keys.hostAudit(host.id),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const after = pageParam === "" ? "" : `&cursor=${encodeURIComponent(pageParam)}`;
      return api.get<Page<AuditEvent>>(
        `audit?target_type=host&target_id=${host.id}&limit=${AT_ONCE}${after}`,
        { signal },
      );
    },
    getNextPageParam: (last) => last.next_cursor,
  });
  const rows = useMemo(
    () =>
      (query.data?.pages ?? [])
        .flatMap((each) => each.items)
        .map((event): Row => ({ ...event, id: String(event.seq), words: detailWords(event.detail) })),
    [query.data],
  );
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the audit log" retry={() => void query.refetch()} />;
  if (query.data === undefined) return <Skeleton height={240} />;
  const total = query.data.pages[0]?.total ?? rows.length;
  return (
    <>
      <div className={page.toolbar}>
        <span className="muted">
          {rows.length < total ? `The newest ${count(rows.length)} of ` : ""}
          {plural(total, "event")} about this host itself; what was installed is under Jobs, what was issued
          under Certificates.
        </span>
        <div className={page.spacer} />
        {query.hasNextPage && (
          <Button
            variant="default"
            loading={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            Show older
          </Button>
        )}
      </div>
      {query.isError && (
        <Failure error={query.error} doing="read more of the audit log" retry={() => void query.refetch()} />
      )}
      <div className="fill">
        <DataTable
          label="Audit events"
          columns={COLUMNS}
          rows={rows}
          nothing="Nobody changed anything about this host since the audit log begins."
        />
      </div>
    </>
  );
}
