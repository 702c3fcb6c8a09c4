/** The one confirm: it names the hosts and the reboots, and sends the deployment exactly once. */

import { useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { useNavigate } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import type { Deployment, DeploymentCreate } from "@/api/types";
import { Confirm, mustType } from "@/components/Confirm";
import { listed, plural } from "@/lib/words";
import type { Plan } from "@/modules/deploy/plan";
import { useSelection } from "@/modules/fleet/selection";

const NAMED = 5;

function named(names: readonly string[]): string {
  return names.length <= NAMED
    ? listed(names)
    : listed([...names.slice(0, NAMED - 1), `${names.length - NAMED + 1} more`]);
}

export function ConfirmDeploy({
  plan,
  body,
  onClose,
}: {
  plan: Plan;
  body: DeploymentCreate;
  onClose: () => void;
}) {
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
        {plural(plan.packages, "update")} on {hosts}, starting now:{" "}
        {named(plan.hosts.map((host) => host.display_name))}.
      </p>
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
