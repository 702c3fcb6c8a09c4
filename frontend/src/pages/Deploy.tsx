/** What exactly will happen? Hosts, patches, how, preview; one confirm. */

import { Button } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";
import { useApi } from "@/api/context";
import { keys } from "@/api/keys";
import { messageOf, ProblemError } from "@/api/problem";
import type { DeploymentCreate, DeploymentPreview } from "@/api/types";
import { useChoice, useParam, useQueryParams } from "@/lib/url";
import { ConfirmDeploy } from "@/modules/deploy/ConfirmDeploy";
import classes from "@/modules/deploy/Deploy.module.css";
import { HostStep } from "@/modules/deploy/HostStep";
import { PatchStep } from "@/modules/deploy/PatchStep";
import { PreviewStep } from "@/modules/deploy/PreviewStep";
import { bodyOf, planOf, planWords, type Reboot, type What, type When } from "@/modules/deploy/plan";
import { RunStep } from "@/modules/deploy/RunStep";
import { isWhole, rolloutBody, rolloutFrom, rolloutInto } from "@/modules/deploy/rollout";
import { useOutlook } from "@/modules/deploy/useOutlook";
import { choose, filterFrom, filterInto, isFiltered, NO_FILTER } from "@/modules/fleet/filters";
import { fromFragment, useSelectedIds, useSelection } from "@/modules/fleet/selection";
import { useSelectionInAddress } from "@/modules/fleet/selectionInAddress";
import { useFleet, useFleetLoaded, useTotals } from "@/modules/fleet/store";
import { EmptyFleet } from "@/modules/hosts/EmptyFleet";
import { DeployTabs } from "@/modules/policies/DeployTabs";
import { useTitle } from "@/modules/shell/title";

export default function Deploy() {
  useTitle("Deploy");
  const totals = useTotals();
  const ready = useHostsFromLink();
  if (totals?.hosts === 0) return <EmptyFleet />;
  return ready ? <Steps /> : <div className="page" aria-busy="true" />;
}

function usePreview(body: DeploymentCreate | null) {
  const api = useApi();
  return useQuery({
    queryKey: keys.preview(body),
    queryFn: ({ signal }) => api.post<DeploymentPreview>("deployments/preview", body, { signal }),
    enabled: body !== null && (body.host_ids?.length ?? 0) > 0 && body.packages?.length !== 0,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}

/** The server's word on a part of the rollout, by JSON pointer below it. */
function rolloutProblem(error: unknown, pointer: string): string | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  return error.problem.errors.find((each) => each.pointer?.startsWith(`/rollout${pointer}`))?.detail;
}

function Steps() {
  const [params, update] = useQueryParams();
  const selection = useSelection();
  const selected = useSelectedIds();
  const [what, setWhat] = useChoice<What>("what", ["security", "all", "chosen"]);
  const [when, setWhen] = useChoice<When>("when", ["now", "window"]);
  const [reboot, setReboot] = useChoice<Reboot>("reboot", ["never", "if_required"]);
  const [names, setNames] = useParam("packages");
  const [override, setOverride] = useState(false);
  const [leaveOut, setLeaveOut] = useState(false);
  const [asking, setAsking] = useState(false);
  const packages = useMemo(() => new Set(names === "" ? [] : names.split(",")), [names]);
  const ids = useMemo(() => [...selected].sort(), [selected]);
  const rollout = useMemo(() => rolloutFrom(params), [params]);

  const base = usePreview(useMemo(() => bodyOf(ids, "all", [], { when: "now", reboot: "never" }), [ids]));
  const body = useMemo(
    () => bodyOf(ids, what, [...packages], { when, reboot, overrideFreeze: override }),
    [ids, what, packages, when, reboot, override],
  );
  const preview = usePreview(body);
  const none = selected.size === 0;
  const nothingChosen = what === "chosen" && packages.size === 0;
  const plan = useMemo(
    () => (none || nothingChosen || preview.data === undefined ? undefined : planOf(preview.data, leaveOut)),
    [none, nothingChosen, preview.data, leaveOut],
  );
  // What is sent names exactly the hosts that get a job, and rings are worked out over the same.
  const order = useMemo(
    (): DeploymentCreate | null =>
      plan === undefined
        ? null
        : { ...body, host_ids: plan.hosts.map((host) => host.host_id), rollout: rolloutBody(rollout) },
    [plan, body, rollout],
  );
  const asked = order?.rollout !== null && isWhole(rollout);
  const ringed = usePreview(asked ? order : null);
  const rings = asked && ringed.data !== undefined ? ringed.data : undefined;
  const outlook = useOutlook(plan);
  const settled = (query: typeof preview) =>
    !query.isPlaceholderData && !query.isError && query.data !== undefined;
  const fresh =
    plan !== undefined &&
    plan.hosts.length > 0 &&
    settled(preview) &&
    (order?.rollout === null || (asked && settled(ringed)));
  const sentence = none
    ? "Choose the hosts to patch."
    : nothingChosen
      ? "Choose at least one package."
      : plan === undefined || preview.isPlaceholderData
        ? "Working out what would happen…"
        : ringed.isError && asked
          ? messageOf(ringed.error)
          : `${planWords(plan)}.`;
  return (
    <div className={classes.layout}>
      <div className={classes.steps}>
        <DeployTabs />
        <HostStep />
        {!none && (
          <>
            <PatchStep
              base={base.data}
              what={what}
              onWhat={setWhat}
              packages={packages}
              onPackages={(next) => setNames([...next].join(","))}
            />
            <RunStep
              when={when}
              onWhen={setWhen}
              reboot={reboot}
              onReboot={setReboot}
              rollout={rollout}
              onRollout={(next) => update((before) => rolloutInto(before, next))}
              rings={rings?.rings ?? []}
              problem={(pointer) => (asked ? rolloutProblem(ringed.error, pointer) : undefined)}
              outlook={outlook}
              override={override}
              onOverride={setOverride}
              onLeaveOut={(out) => selection.set(new Set(ids.filter((id) => !out.includes(id))))}
            />
            {!nothingChosen && (
              <PreviewStep
                plan={plan}
                ringed={rings}
                error={preview.error}
                retry={() => void preview.refetch()}
                leaveOut={leaveOut}
                onLeaveOut={setLeaveOut}
              />
            )}
          </>
        )}
      </div>
      <div className={classes.bar}>
        <span className={classes.sentence} role="status" data-testid="plan-words">
          {sentence}
        </span>
        <Button size="sm" disabled={!fresh} onClick={() => setAsking(true)} data-testid="deploy-button">
          {when === "now" ? "Deploy…" : "Deploy in windows…"}
        </Button>
      </div>
      {asking && plan !== undefined && order !== null && (
        <ConfirmDeploy
          plan={plan}
          body={order}
          outlook={outlook}
          rings={rings?.rings ?? []}
          rollout={rollout}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  );
}

/** Take the hosts from the address: named in the fragment, or all that match a filter. False until that is done. */
function useHostsFromLink(): boolean {
  const fleet = useFleet();
  const loaded = useFleetLoaded();
  const selection = useSelection();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const { hash } = useLocation();
  const [ready, setReady] = useState(false);
  useEffect(() => {
    if (!loaded || ready) return;
    const named = fromFragment(hash, fleet.rows.keys());
    const filter = filterFrom(params);
    if (named.length > 0) selection.set(new Set(named));
    else if (isFiltered(filter)) {
      selection.set(new Set(choose(fleet.rows.values(), filter).map((row) => row.id)));
      // The filter did its work; left in place it would hide hosts from the list that somebody opens to change it.
      const rest = filterInto(params, NO_FILTER).toString();
      void navigate({ search: rest, hash }, { replace: true });
    }
    setReady(true);
  }, [loaded, ready, hash, params, fleet, selection, navigate]);
  useSelectionInAddress(ready);
  return ready;
}
