/** What was sent, what waits, and why something did not arrive. */

import { Button, Skeleton } from "@mantine/core";
import { useMemo } from "react";
import { useApi } from "@/api/context";
import { messageOf } from "@/api/problem";
import type { Delivery, DeliveryState } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Chip } from "@/components/Chip";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { useToasts } from "@/components/toasts";
import { useParam } from "@/lib/url";
import { plural, sentence } from "@/lib/words";
import classes from "@/modules/notifications/notifications.module.css";
import { useDeliveries, useReread } from "@/modules/notifications/reads";
import { STATES } from "@/modules/notifications/words";

const CHOICES: readonly DeliveryState[] = ["pending", "failed", "delivered", "dropped"];

export function Deliveries() {
  const api = useApi();
  const toasts = useToasts();
  const reread = useReread();
  const [state, setState] = useParam("state");
  const chosen = CHOICES.filter((each) => each === state);
  const query = useDeliveries(chosen);
  const columns = useMemo(() => {
    const retry = async (delivery: Delivery) => {
      try {
        await api.post(`notifications/deliveries/${delivery.id}/retry`);
        toasts.show("working", "Tried again now.");
      } catch (error) {
        toasts.show("danger", messageOf(error));
      }
      await reread();
    };
    return columnsWith((delivery) => void retry(delivery));
  }, [api, toasts, reread]);
  return (
    <Panel title="Delivery log" actions={<span className="muted">kept for 90 days</span>}>
      <div className={classes.log}>
        <div className={classes.filters}>
          {CHOICES.map((each) => (
            <Chip
              key={each}
              on={state === each}
              tone={STATES[each].tone}
              onToggle={() => setState(state === each ? "" : each)}
            >
              {STATES[each].text}
            </Chip>
          ))}
        </div>
        {query.isPending && (
          <div aria-busy="true">
            <Skeleton height={120} />
          </div>
        )}
        {query.isError && (
          <Failure error={query.error} doing="read the log" retry={() => void query.refetch()} />
        )}
        {query.data !== undefined && (
          <DataTable
            label="Deliveries"
            columns={columns}
            rows={query.data.items}
            fit
            nothing={state === "" ? "Nothing was sent yet." : "No delivery is in this state."}
          />
        )}
        {query.data !== undefined && query.data.total > query.data.items.length && (
          <p className="muted">
            The newest {query.data.items.length} of {plural(query.data.total, "delivery", "deliveries")}.
          </p>
        )}
      </div>
    </Panel>
  );
}

function columnsWith(retry: (delivery: Delivery) => void): readonly Column<Delivery>[] {
  return [
    {
      id: "state",
      title: "State",
      width: 100,
      cell: ({ state }) => <Mark tone={STATES[state].tone}>{STATES[state].text}</Mark>,
    },
    {
      id: "what",
      title: "What",
      width: 190,
      grow: 2,
      cell: (row) => <span title={row.summary}>{sentence(row.summary)}</span>,
    },
    {
      id: "rule",
      title: "Rule",
      width: 120,
      grow: 1,
      cell: (row) => <span title={row.rule_name}>{row.rule_name}</span>,
    },
    { id: "channel", title: "Channel", width: 100, grow: 1, cell: (row) => row.channel_name },
    { id: "when", title: "When", width: 110, cell: (row) => <Ago at={row.created_at} /> },
    { id: "tries", title: "Tries", width: 56, align: "right", cell: (row) => row.attempts },
    {
      id: "next",
      title: "Next try",
      width: 100,
      cell: (row) => (row.state === "pending" ? <Ago at={row.next_try_at} none="" /> : ""),
    },
    {
      id: "error",
      title: "Why not",
      width: 200,
      grow: 4,
      cell: (row) => <span title={row.last_error}>{sentence(row.last_error)}</span>,
    },
    {
      id: "retry",
      title: "",
      width: 86,
      cell: (row) =>
        row.state !== "delivered" &&
        row.rule_id !== null && (
          <Button variant="subtle" size="compact-xs" onClick={() => retry(row)}>
            Try now
          </Button>
        ),
    },
  ];
}
