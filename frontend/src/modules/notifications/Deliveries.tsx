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
import { useNow } from "@/lib/clock";
import { exact, untilWords } from "@/lib/time";
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

/** When it is tried again, moving by the second. */
function NextTry({ at }: { at: string }) {
  const now = useNow(true);
  return (
    <time dateTime={at} title={exact(at)}>
      , {untilWords(at, now)}
    </time>
  );
}

function columnsWith(retry: (delivery: Delivery) => void): readonly Column<Delivery>[] {
  return [
    {
      id: "state",
      title: "State",
      width: 112,
      cell: ({ state }) => <Mark tone={STATES[state].tone}>{STATES[state].text}</Mark>,
    },
    {
      id: "what",
      title: "What",
      width: 170,
      grow: 2,
      cell: (row) => <span title={sentence(row.summary)}>{sentence(row.summary)}</span>,
    },
    {
      id: "rule",
      title: "Rule",
      width: 104,
      grow: 1,
      cell: (row) => <span title={row.rule_name}>{row.rule_name}</span>,
    },
    {
      id: "channel",
      title: "Channel",
      width: 104,
      grow: 1,
      cell: (row) => <span title={row.channel_name}>{row.channel_name}</span>,
    },
    { id: "when", title: "When", width: 90, cell: (row) => <Ago at={row.created_at} /> },
    {
      id: "tries",
      title: "Tries",
      width: 104,
      cell: (row) => (
        <>
          {row.attempts}
          {row.state === "pending" && row.next_try_at !== null && <NextTry at={row.next_try_at} />}
        </>
      ),
    },
    {
      id: "error",
      title: "Why not",
      width: 180,
      grow: 6,
      cell: (row) =>
        row.state === "pending" && row.attempts === 0 ? (
          <span className="muted">waits its turn: the channel failed a moment ago, or is busy</span>
        ) : (
          <span title={sentence(row.last_error)}>{sentence(row.last_error)}</span>
        ),
    },
    {
      id: "retry",
      title: "",
      width: 100,
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
