/** All standing policies: where, what, whether they reach their hosts, and when they start next. */

import { Switch } from "@mantine/core";
import { type ReactNode, useMemo, useState } from "react";
import { Link, useNavigate } from "react-router";
import { messageOf } from "@/api/problem";
import { useGroups } from "@/api/queries";
import type { Group, Policy } from "@/api/types";
import { Ago } from "@/components/Ago";
import { Confirm } from "@/components/Confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Mark } from "@/components/Mark";
import { useToasts } from "@/components/toasts";
import { count, sentence } from "@/lib/words";
import { usePolicyActions } from "@/modules/policies/queries";
import { coverageWords, placeWords, ruleWords } from "@/modules/policies/words";

export function PolicyList({ policies }: { policies: readonly Policy[] }) {
  const groups = useGroups();
  const navigate = useNavigate();
  const rows = useMemo(() => [...policies], [policies]);
  const columns = useMemo(() => columnsFor(groups), [groups]);
  return (
    <DataTable
      label="Standing policies"
      columns={columns}
      rows={rows}
      onOpen={(row) => void navigate(`/deploy/policies/${row.id}`)}
    />
  );
}

/** On and off; off asks first, because it says no to every coming window. */
export function PolicySwitch({ policy, label }: { policy: Policy; label?: ReactNode }) {
  const actions = usePolicyActions();
  const toasts = useToasts();
  const [asking, setAsking] = useState(false);
  const enable = async () => {
    try {
      await actions.enable(policy, true);
      toasts.show("healthy", `${policy.name} starts in the next window of each of its hosts.`);
    } catch (error) {
      toasts.show("danger", messageOf(error));
    }
  };
  return (
    <>
      <Switch
        size="xs"
        checked={policy.enabled}
        disabled={!policy.editable}
        label={label}
        aria-label={label === undefined ? `${policy.name} enabled` : undefined}
        onChange={() => (policy.enabled ? setAsking(true) : void enable())}
      />
      {asking && (
        <Confirm
          title={`Disable ${policy.name}?`}
          label="Disable"
          danger
          onClose={() => setAsking(false)}
          onConfirm={async () => {
            await actions.enable(policy, false);
            setAsking(false);
          }}
        >
          <p>
            {coverageWords(policy)}: nothing of it starts there any more until it is enabled again. Jobs that
            have not begun are cancelled; what runs goes on to its end.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Coverage({ policy }: { policy: Policy }) {
  const { hosts, without_window } = policy.compliance;
  if (hosts === 0) return <span className="muted">no hosts</span>;
  if (without_window === 0) return <Mark tone="healthy">{count(hosts)} with windows</Mark>;
  return (
    <Mark tone="attention">
      {count(without_window)} of {count(hosts)} without window
    </Mark>
  );
}

function Next({ policy }: { policy: Policy }) {
  const [next] = policy.next_openings;
  if (!policy.enabled) return <span className="muted">disabled</span>;
  if (policy.compliance.open_now > 0)
    return <Mark tone="working">open: {count(policy.compliance.open_now)}</Mark>;
  return <Ago at={next?.opens_at} ahead none="never" />;
}

function columnsFor(groups: readonly Group[]): readonly Column<Policy>[] {
  return [
    { id: "on", title: "On", width: 60, cell: (row) => <PolicySwitch policy={row} /> },
    {
      id: "name",
      title: "Policy",
      width: 170,
      grow: 2,
      cell: (row) => <Link to={`/deploy/policies/${row.id}`}>{row.name}</Link>,
    },
    { id: "place", title: "Hosts of", width: 140, grow: 2, cell: (row) => placeWords(row, groups) },
    {
      id: "rule",
      title: "In every window",
      width: 220,
      grow: 3,
      cell: (row) => <span title={ruleWords(row)}>{sentence(ruleWords(row))}</span>,
    },
    { id: "coverage", title: "Reaches", width: 200, cell: (row) => <Coverage policy={row} /> },
    { id: "next", title: "Starts next", width: 120, cell: (row) => <Next policy={row} /> },
  ];
}
