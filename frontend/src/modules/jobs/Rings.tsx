/** The rings of a deployment: how far each is, what the next one waits for, and what to do about it. */

import { Button, Checkbox } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Deployment } from "@/api/types";
import { JobBar } from "@/components/Bars";
import { Confirm, mustType } from "@/components/Confirm";
import { Mark, type Tone } from "@/components/Mark";
import { Notice } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { useToasts } from "@/components/toasts";
import { useNow } from "@/lib/clock";
import { exact, untilWords } from "@/lib/time";
import { plural, sentence } from "@/lib/words";
import classes from "@/modules/jobs/jobs.module.css";
import { limitWords, progressWords } from "@/modules/jobs/words";

type Ring = Deployment["rings"][number];

const TONES: Record<Ring["state"], Tone> = {
  waiting: "unknown",
  running: "working",
  soaking: "attention",
  done: "healthy",
};

export function Rings({ deployment }: { deployment: Deployment }) {
  const now = useNow(true);
  const [asking, setAsking] = useState<"release" | "resume" | null>(null);
  const { rings, rollout } = deployment;
  const soaking = rings.findIndex((ring) => ring.state === "soaking");
  const next = rings[soaking + 1];
  const close = () => setAsking(null);
  return (
    <>
      {deployment.stopped_at !== null && (
        <Notice
          tone="danger"
          title={`Stopped: ${deployment.stop_reason ?? "too many jobs failed"}`}
          action={<Button onClick={() => setAsking("resume")}>Resume…</Button>}
        >
          Nothing more starts. What was running went on to its end; {plural(deployment.totals.queued, "host")}{" "}
          {deployment.totals.queued === 1 ? "waits" : "wait"}.
        </Notice>
      )}
      {rings.length > 1 && (
        <Panel
          title={
            <>
              Rings <span className="muted">{rollout === null ? "" : limitWords(rollout)}</span>
            </>
          }
          actions={
            soaking !== -1 &&
            next !== undefined &&
            deployment.stopped_at === null && (
              <Button variant="default" size="compact-sm" onClick={() => setAsking("release")}>
                Start {next.name} now…
              </Button>
            )
          }
        >
          <ol className={classes.rings} data-testid="rings">
            {rings.map((ring) => (
              <li key={ring.name}>
                <b className="ellipsis" title={ring.name}>
                  {ring.name}
                </b>
                <Mark tone={TONES[ring.state]}>
                  <span title={ring.soak_until === null ? undefined : exact(ring.soak_until)}>
                    {ring.state === "soaking" && ring.soak_until !== null
                      ? `soaking, over ${untilWords(ring.soak_until, now)}`
                      : ring.state}
                  </span>
                </Mark>
                <JobBar totals={ring.totals} />
                <span className="muted ellipsis" title={progressWords(ring.totals)}>
                  {progressWords(ring.totals)}
                </span>
              </li>
            ))}
          </ol>
        </Panel>
      )}
      {asking === "release" && next !== undefined && (
        <Decide
          deployment={deployment}
          path="release"
          title={`Start ${next.name} now?`}
          label={`Start it on ${plural(next.hosts, "host")}`}
          typed={mustType(next.hosts)}
          done={`${sentence(next.name)} is released.`}
          onClose={close}
        >
          <p>
            The soak of {rings[soaking]?.name} is cut short: {plural(next.hosts, "host")} may start at once,
            within their windows where they wait for one.
          </p>
        </Decide>
      )}
      {asking === "resume" && <Resume deployment={deployment} onClose={close} />}
    </>
  );
}

/** Go on in spite of what failed: it counts no more; the rule stays, unless it is taken off. */
function Resume({ deployment, onClose }: { deployment: Deployment; onClose: () => void }) {
  const [unlimited, setUnlimited] = useState(false);
  const { queued } = deployment.totals;
  return (
    <Decide
      deployment={deployment}
      path="resume"
      body={unlimited ? { stop_after_failures: null, stop_after_failed_percent: null } : {}}
      title="Resume the deployment?"
      label={`Resume on ${plural(queued, "host")}`}
      typed={mustType(queued)}
      done="The deployment goes on."
      onClose={onClose}
    >
      <p>
        {deployment.stop_reason}. What failed until now counts no more; {plural(queued, "host")}{" "}
        {queued === 1 ? "goes" : "go"} on.
      </p>
      <Checkbox
        size="xs"
        label="Do not stop again, however many fail"
        description="Else the same rule holds for what comes."
        checked={unlimited}
        onChange={(event) => setUnlimited(event.currentTarget.checked)}
      />
    </Decide>
  );
}

interface DecideProps {
  deployment: Deployment;
  path: "release" | "resume";
  body?: Record<string, null>;
  title: string;
  label: string;
  typed: number | null;
  done: string;
  onClose: () => void;
  children: ReactNode;
}

function Decide({ deployment, path, body, done, onClose, children, ...question }: DecideProps) {
  const api = useApi();
  const toasts = useToasts();
  const queries = useQueryClient();
  return (
    <Confirm
      {...question}
      onClose={onClose}
      onConfirm={async () => {
        const next = await api.post<Deployment>(`deployments/${deployment.id}/${path}`, body);
        queries.setQueryData(keys.deployment(deployment.id), next);
        void queries.invalidateQueries({ queryKey: ["jobs"] });
        toasts.show("healthy", done);
        onClose();
      }}
    >
      {children}
    </Confirm>
  );
}
