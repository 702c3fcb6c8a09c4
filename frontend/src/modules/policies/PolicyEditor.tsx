/** Write a policy: where, what, without what, reboots, rings; what it would do is told as it is written. */

import { Button, Group, MultiSelect, Radio, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { messageOf, ProblemError } from "@/api/problem";
import { useGroups, useIsAdmin } from "@/api/queries";
import type { Policy, PolicyBody } from "@/api/types";
import { Notice } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { plural } from "@/lib/words";
import { HostPicker } from "@/modules/hosts/HostPicker";
import { ExcludeFields } from "@/modules/policies/ExcludeFields";
import { PolicyPreviewPanel, PolicyPreviewTable } from "@/modules/policies/PolicyPreview";
import classes from "@/modules/policies/policies.module.css";
import { usePolicyActions, usePolicyPreview } from "@/modules/policies/queries";
import { RingFields } from "@/modules/policies/RingFields";
import { rolloutOf, simpleOf } from "@/modules/policies/words";

interface Props {
  policy: Policy | null;
  onSaved: (policy: Policy) => void;
  onCancel: () => void;
}

const BLANK: PolicyBody = {
  name: "",
  enabled: true,
  all_hosts: false,
  group_ids: [],
  host_ids: [],
  what: "security",
  exclude: [],
  reboot: "never",
  rollout: null,
};

function bodyOf(policy: Policy): PolicyBody {
  const { name, enabled, all_hosts, group_ids, host_ids, what, exclude, reboot, rollout } = policy;
  return { name, enabled, all_hosts, group_ids, host_ids, what, exclude, reboot, rollout };
}

export function PolicyEditor({ policy, onSaved, onCancel }: Props) {
  const actions = usePolicyActions();
  const admin = useIsAdmin();
  const groups = useGroups();
  const [body, setBody] = useState(policy === null ? BLANK : bodyOf(policy));
  const [rings, setRings] = useState(() => simpleOf(body.rollout));
  const [picking, setPicking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const set = (change: Partial<PolicyBody>) => setBody((before) => ({ ...before, ...change }));
  const asked: PolicyBody = {
    ...body,
    name: body.name.trim(),
    exclude: body.exclude.filter((each) => each.package.trim() !== ""),
    rollout: rolloutOf(rings, policy?.rollout ?? null),
  };
  const somewhere = asked.all_hosts || asked.group_ids.length > 0 || asked.host_ids.length > 0;
  const preview = usePolicyPreview(asked, policy?.id ?? null, somewhere);
  const problems = error ?? preview.error;
  const field = (name: string) => (problems instanceof ProblemError ? problems.field(name) : undefined);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      onSaved(await actions.save(asked, policy));
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="page" style={{ padding: 0 }}>
      <div className={classes.editor}>
        <div className={classes.fields}>
          <Panel title="Where">
            <div className={classes.body}>
              <TextInput
                label="Name"
                description="Deployments that it makes carry it."
                required
                maxLength={100}
                data-autofocus
                autoFocus={policy === null}
                value={body.name}
                error={field("name")}
                onChange={(event) => set({ name: event.currentTarget.value })}
              />
              {admin && (
                <Radio.Group
                  value={body.all_hosts ? "all" : "named"}
                  onChange={(value) =>
                    set(
                      value === "all"
                        ? { all_hosts: true, group_ids: [], host_ids: [] }
                        : { all_hosts: false },
                    )
                  }
                  aria-label="Which hosts"
                >
                  <Group gap="lg">
                    <Radio value="named" label="Groups and hosts" />
                    <Radio value="all" label="All hosts, also those that come later" />
                  </Group>
                </Radio.Group>
              )}
              {!body.all_hosts && (
                <div className={classes.inline}>
                  <MultiSelect
                    className={classes.wide}
                    label="Groups"
                    placeholder={body.group_ids.length === 0 ? "Choose groups" : ""}
                    searchable
                    data={groups.map((group) => ({ value: group.id, label: group.name }))}
                    value={body.group_ids}
                    onChange={(group_ids) => set({ group_ids })}
                  />
                  <Button variant="default" onClick={() => setPicking(true)}>
                    {body.host_ids.length === 0
                      ? "Choose hosts…"
                      : `${plural(body.host_ids.length, "host")}…`}
                  </Button>
                  {body.host_ids.length > 0 && (
                    <Button variant="default" onClick={() => set({ host_ids: [] })}>
                      No single hosts
                    </Button>
                  )}
                </div>
              )}
            </div>
          </Panel>
          <Panel title="In every window">
            <div className={classes.body}>
              <Radio.Group
                value={body.what}
                onChange={(what) => set({ what: what as PolicyBody["what"] })}
                aria-label="What is applied"
              >
                <Group gap="lg">
                  <Radio value="security" label="Security patches" />
                  <Radio value="all" label="All that is pending" />
                </Group>
              </Radio.Group>
              <Radio.Group
                value={body.reboot}
                onChange={(reboot) => set({ reboot: reboot as PolicyBody["reboot"] })}
                aria-label="Reboots"
              >
                <Group gap="lg">
                  <Radio value="never" label="Never reboot" />
                  <Radio value="if_required" label="Reboot if required" />
                </Group>
              </Radio.Group>
              <ExcludeFields
                value={body.exclude}
                onChange={(exclude) => set({ exclude })}
                problem={(index) => field(`exclude/${index}`)}
              />
            </div>
          </Panel>
          <Panel title="Who goes first">
            <div className={classes.body}>
              <RingFields
                value={rings}
                onChange={setRings}
                groups={groups}
                kept={simpleOf(policy?.rollout ?? null).first === "kept"}
                problem={field("rollout/rings/0")}
              />
            </div>
          </Panel>
          {error !== null && <Notice tone="danger" title={messageOf(error)} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onCancel}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={asked.name === "" || !somewhere}>
              {policy === null ? "Create policy" : "Save"}
            </Button>
          </Group>
        </div>
        <div className={classes.aside}>
          <PolicyPreviewPanel
            query={preview}
            missing={somewhere ? null : "Choose groups or hosts: what happens there and when is told here."}
          />
        </div>
      </div>
      {somewhere && preview.data !== undefined && <PolicyPreviewTable preview={preview.data} />}
      {picking && (
        <HostPicker
          title="Hosts of the policy"
          label="Take"
          note="They replace the single hosts chosen before; groups stay."
          onPick={(host_ids) => {
            set({ host_ids });
            setPicking(false);
          }}
          onClose={() => setPicking(false)}
        />
      )}
    </form>
  );
}
