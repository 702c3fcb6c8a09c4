/** Whether what the page shows is live, and if not, how old it is. */
import { Tooltip } from "@mantine/core";
import { Shape } from "@/components/Mark";
import { useNow } from "@/lib/clock";
import { span } from "@/lib/time";
import { useLive, useLiveState } from "@/modules/live/context";
import classes from "@/modules/shell/Shell.module.css";

export function LiveIndicator() {
  const { phase, heardAt } = useLiveState();
  return (
    <span className={classes.live} role="status" data-testid="live-state">
      {phase === "live" ? (
        <Tooltip label="Changes appear here within a second">
          <span className={classes.live}>
            <Shape tone="healthy" /> live
          </span>
        </Tooltip>
      ) : phase === "connecting" ? (
        <>
          <Shape tone="unknown" /> connecting
        </>
      ) : (
        <Reconnecting heardAt={heardAt} />
      )}
    </span>
  );
}

function Reconnecting({ heardAt }: { heardAt: number | null }) {
  const live = useLive();
  useNow(true);
  const age = heardAt === null ? "" : `, last ${span(Date.now() - heardAt)} ago`;
  return (
    <>
      <Shape tone="attention" /> reconnecting{age}
      <button type="button" className="link-button" onClick={() => live.hurry()}>
        try now
      </button>
    </>
  );
}
