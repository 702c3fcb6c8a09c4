/** The one confirm: it names the hosts and the reboots, and sends the deployment exactly once. */

import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Deployment, DeploymentCreate, DeploymentPreview } from "@/api/types";
import { Confirm, mustType } from "@/components/Confirm";
import { listed, plural } from "@/lib/words";
import { shortIn, viewerZone } from "@/lib/zones";
import type { Outlook } from "@/modules/deploy/outlook";
import type { Plan } from "@/modules/deploy/plan";
import { type RolloutDraft, stopWords } from "@/modules/deploy/rollout";
import { useSelection } from "@/modules/fleet/selection";
import { minutesWords } from "@/modules/windows/rule";

const NAMED = 5;

function named(names: readonly string[]): string {
  return names.length <= NAMED
    ? listed(names)
    : listed([...names.slice(0, NAMED - 1), `${names.length - NAMED + 1} more`]);
}

interface Props {
  plan: Plan;
  body: DeploymentCreate;
  outlook: Outlook | undefined;
  rings: DeploymentPreview["rings"];
  rollout: RolloutDraft;
  onClose: () => void;
}

/** When the windows of the hosts open, and who has none. */
function windowsWords(plan: Plan, outlook: Outlook | undefined): string {
  const zone = viewerZone();
  const moments = plan.hosts.map((host) => host.runs_at).filter((at) => at !== null);
  const sorted = moments.map((at) => Date.parse(at)).sort((a, b) => a - b);
  const [first, last] = [sorted[0], sorted.at(-1)];
  const none = outlook?.windowless.length ?? 0;
  const without =
    none === 0
      ? ""
      : ` ${plural(none, "host has no window and waits", "hosts have no window and wait")} for one.`;
  if (first === undefined || last === undefined) return without.trim();
  if (first === last) return `They may start ${shortIn(first, zone)}.${without}`;
  return `The first may start ${shortIn(first, zone)}, the last ${shortIn(last, zone)}.${without}`;
}

export function ConfirmDeploy({ plan, body, outlook, rings, rollout, onClose }: Props) {
  const api = useApi();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const selection = useSelection();
  // One key for this question, however often the button is pressed or the network fails: the server acts once.
  const once = useRef(crypto.randomUUID());
  const reboots = plan.hosts.filter((host) => host.will_reboot).map((host) => host.display_name);
  const hosts = plural(plan.hosts.length, "host");
  return (
    <Confirm
      title={`Deploy to ${hosts}?`}
      label={`Deploy to ${hosts}`}
      danger={plan.reboots > 0}
      typed={mustType(plan.hosts.length, plan.reboots)}
      onClose={onClose}
      onConfirm={async () => {
        const deployment = await api.post<Deployment>("deployments", body, {
          headers: { "idempotency-key": once.current },
        });
        selection.clear();
        void queries.invalidateQueries({ queryKey: keys.deployments });
        void navigate(`/jobs/${deployment.id}`);
      }}
    >
      <p>
        {plural(plan.packages, "update")} on {hosts},{" "}
        {body.when === "now" ? "starting now" : "each in its own maintenance window"}:{" "}
        {named(plan.hosts.map((host) => host.display_name))}.
      </p>
      {plan.excluded > 0 && (
        <p>
          {plural(plan.excluded, "pending package")}{" "}
          {plan.excluded === 1 ? "stays as it is" : "stay as they are"}: exclusions leave{" "}
          {plan.excluded === 1 ? "it" : "them"} out.
        </p>
      )}
      {body.when === "window" && <p>{windowsWords(plan, outlook)}</p>}
      {body.when === "now" && outlook !== undefined && outlook.outside.length > 0 && (
        <p>
          <strong>
            {plural(outlook.outside.length, "host is", "hosts are")} outside of{" "}
            {outlook.outside.length === 1 ? "its" : "their"} maintenance window
          </strong>{" "}
          and will be touched all the same. The audit log keeps that you said so.
        </p>
      )}
      {body.override_freeze && outlook !== undefined && outlook.frozen.length > 0 && (
        <p>
          <strong>The freeze on {plural(outlook.frozen.length, "host")} is overridden</strong> (
          {listed(outlook.freezes.map((each) => each.reason))}).
        </p>
      )}
      {rings.length > 1 && (
        <p>
          In rings: {listed(rings.map((ring) => `${ring.name} (${plural(ring.host_count, "host")})`))}
          {rollout.soak > 0 && `, ${minutesWords(rollout.soak)} after each`}.
          {rollout.stop !== null && ` Nothing more starts ${stopWords(rollout.stop)}.`}
        </p>
      )}
      <p>
        {plan.reboots === 0 ? (
          "No host reboots."
        ) : (
          <strong>
            {plural(plan.reboots, "host")} {plan.reboots === 1 ? "reboots" : "reboot"}: {named(reboots)}.
          </strong>
        )}
      </p>
    </Confirm>
  );
}
