/** How a policy is doing: when it starts next, what it did, what is left, and what holds its rings. */

import { Button, Group } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useGroups } from "@/api/queries";
import type { Policy, PolicyDetail } from "@/api/types";
import { Ago } from "@/components/Ago";
import { JobBar } from "@/components/Bars";
import { Confirm } from "@/components/Confirm";
import { Mark } from "@/components/Mark";
import { Panel } from "@/components/Panel";
import page from "@/components/page.module.css";
import { count, plural, sentence } from "@/lib/words";
import { DEPLOYMENT_TONES, progressWords } from "@/modules/jobs/words";
import { PolicySwitch } from "@/modules/policies/PolicyList";
import { PolicyOpenings } from "@/modules/policies/PolicyOpenings";
import classes from "@/modules/policies/policies.module.css";
import { usePolicyActions } from "@/modules/policies/queries";
import { coverageWords, placeWords, ruleWords } from "@/modules/policies/words";

interface Props {
  policy: PolicyDetail;
  onEdit: () => void;
  onDeleted: () => void;
}

export function PolicyStatus({ policy, onEdit, onDeleted }: Props) {
  const groups = useGroups();
  const [deleting, setDeleting] = useState(false);
  return (
    <>
      <div className={page.toolbar}>
        <PolicySwitch policy={policy} label={policy.enabled ? "Enabled" : "Disabled"} />
        <span>
          {placeWords(policy, groups)}: {ruleWords(policy)}
        </span>
        <div className={page.spacer} />
        {policy.editable ? (
          <Group gap="xs">
            <Button variant="default" onClick={onEdit}>
              Edit…
            </Button>
            <Button variant="default" onClick={() => setDeleting(true)}>
              Delete…
            </Button>
          </Group>
        ) : (
          <span className="muted">A policy for all hosts: admins change it.</span>
        )}
      </div>
      <Panel title="Hosts">
        <div className={classes.body}>
          <Numbers policy={policy} />
        </div>
      </Panel>
      <div className={classes.two}>
        <Panel title="Next openings">
          <div className={classes.body}>
            <NextOpenings policy={policy} />
          </div>
        </Panel>
        {policy.rings.length > 0 && (
          <Panel title="Rings">
            <div className={classes.body}>
              <ol className={classes.list}>
                {policy.rings.map((ring) => (
                  <li key={ring.name}>
                    <span>
                      {ring.name} <span className="muted">{plural(ring.hosts, "host")}</span>
                    </span>
                    {ring.held === null ? (
                      <Mark tone="healthy">starts in its windows</Mark>
                    ) : (
                      <span className={classes.attention}>{sentence(ring.held)}</span>
                    )}
                  </li>
                ))}
              </ol>
              {policy.held_hosts.length > 0 && (
                <p>
                  {plural(policy.held_hosts.length, "host")} in an open window{" "}
                  {policy.held_hosts.length === 1 ? "waits" : "wait"} for that.
                </p>
              )}
            </div>
          </Panel>
        )}
        {policy.hosts_without_window.length > 0 && (
          <Panel title="Without a window">
            <div className={classes.body}>
              <p>The policy never starts on these: give them a window, or take them out.</p>
              <ul className={classes.list}>
                {policy.hosts_without_window.slice(0, 12).map((host) => (
                  <li key={host.id}>
                    <Link to={`/hosts/${host.id}?tab=windows`}>{host.display_name}</Link>
                    <span className="muted">{host.address}</span>
                  </li>
                ))}
              </ul>
              {policy.hosts_without_window.length > 12 && (
                <p className="muted">and {count(policy.hosts_without_window.length - 12)} more</p>
              )}
            </div>
          </Panel>
        )}
        <LastRuns policy={policy} />
      </div>
      {deleting && <Delete policy={policy} onDone={onDeleted} onClose={() => setDeleting(false)} />}
    </>
  );
}

function Numbers({ policy }: { policy: PolicyDetail }) {
  const { hosts, covered, without_window, paused, open_now } = policy.compliance;
  const numbers: readonly [string, number][] = [
    ["Hosts", hosts],
    ["With a window", covered],
    ["Without", without_window],
    [policy.enabled ? "Frozen now" : "Paused: disabled", paused],
    ["Open now", open_now],
    ["Up to date", policy.up_to_date_hosts],
    ["Something to apply", policy.pending_hosts],
  ];
  return (
    <dl className={classes.numbers}>
      {numbers.map(([name, number]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{count(number)}</dd>
        </div>
      ))}
    </dl>
  );
}

function NextOpenings({ policy }: { policy: PolicyDetail }) {
  if (!policy.enabled) return <p className="muted">Disabled: nothing starts.</p>;
  return <PolicyOpenings openings={policy.next_openings} />;
}

function LastRuns({ policy }: { policy: PolicyDetail }) {
  return (
    <Panel title="Last runs">
      <div className={classes.body}>
        {policy.last_runs.length === 0 ? (
          <p className="muted">
            {policy.enabled
              ? "None yet: it starts with the next opening of a host that has something to apply."
              : "None yet."}
          </p>
        ) : (
          <ol className={classes.list}>
            {policy.last_runs.map((run) => (
              <li key={run.id}>
                <span>
                  <Link to={`/jobs/${run.id}`}>
                    <Ago at={run.created_at} />
                  </Link>{" "}
                  <span className="muted">{progressWords(run.totals)}</span>
                </span>
                <span>
                  <JobBar totals={run.totals} />
                  <Mark tone={DEPLOYMENT_TONES[run.state]}>{run.state}</Mark>
                </span>
              </li>
            ))}
          </ol>
        )}
      </div>
    </Panel>
  );
}

function Delete({ policy, onDone, onClose }: { policy: Policy; onDone: () => void; onClose: () => void }) {
  const actions = usePolicyActions();
  return (
    <Confirm
      title={`Delete ${policy.name}?`}
      label="Delete policy"
      danger
      onClose={onClose}
      onConfirm={async () => {
        await actions.remove(policy);
        onDone();
      }}
    >
      <p>
        {coverageWords(policy)}: nothing patches them by itself any more, unless another policy does. Jobs
        that have not begun are cancelled; what runs goes on. Its past deployments stay.
      </p>
    </Confirm>
  );
}
