/** Who is told of what: one's own rules, and for administrators the shared ones and everybody's. */

import { ActionIcon, Button, Checkbox, Skeleton } from "@mantine/core";
import { useState } from "react";
import { useApi } from "@/api/context";
import { messageOf } from "@/api/problem";
import { useGroups, useIsAdmin } from "@/api/queries";
import type { Rule } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { Icon } from "@/components/Icon";
import { Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { useToasts } from "@/components/toasts";
import { listed, plural } from "@/lib/words";
import classes from "@/modules/notifications/notifications.module.css";
import { RuleForm } from "@/modules/notifications/RuleForm";
import { useChannels, useReread, useRules } from "@/modules/notifications/reads";
import { eventsText } from "@/modules/notifications/words";

export function Rules() {
  const admin = useIsAdmin();
  const query = useRules();
  const channels = useChannels();
  const [editing, setEditing] = useState<Rule | "new" | null>(null);
  const none = channels.data?.length === 0;
  return (
    <Panel
      title={admin ? "Rules" : "My rules"}
      actions={
        <Button
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          disabled={none || channels.data === undefined}
          onClick={() => setEditing("new")}
        >
          Add rule
        </Button>
      }
    >
      {query.isPending && (
        <div className={classes.teach} aria-busy="true">
          <Skeleton height={40} />
        </div>
      )}
      {query.isError && (
        <Failure error={query.error} doing="read the rules" retry={() => void query.refetch()} />
      )}
      {query.data?.length === 0 && (
        <div className={classes.teach}>
          <p>
            A rule says which events are told, of which groups, through which channel. Yours is about the
            hosts that you see at the moment of sending. Many failures at once come as one message, and a host
            that flaps is told once.
          </p>
          {none ? (
            <p>{admin ? "Add a channel first." : "There is no channel yet: an admin adds one."}</p>
          ) : (
            <Button disabled={channels.data === undefined} onClick={() => setEditing("new")}>
              Add the first rule
            </Button>
          )}
        </div>
      )}
      {query.data !== undefined && query.data.length > 0 && (
        <ul className={classes.list} aria-label="Rules">
          {query.data.map((rule) => (
            <Item key={rule.id} rule={rule} onEdit={() => setEditing(rule)} />
          ))}
        </ul>
      )}
      {editing !== null && channels.data !== undefined && (
        <RuleForm
          rule={editing === "new" ? null : editing}
          channels={channels.data}
          onClose={() => setEditing(null)}
        />
      )}
    </Panel>
  );
}

function Item({ rule, onEdit }: { rule: Rule; onEdit: () => void }) {
  const api = useApi();
  const toasts = useToasts();
  const reread = useReread();
  const groups = useGroups();
  const [deleting, setDeleting] = useState(false);
  const names = rule.group_ids.map(
    (id) => groups.find((group) => group.id === id)?.name ?? "a group out of sight",
  );
  const all = rule.shared ? "all hosts" : "all hosts in sight";
  const to = rule.recipients.length > 0 ? ` to ${plural(rule.recipients.length, "recipient")}` : "";
  const toggle = async () => {
    try {
      await api.send("PATCH", `notifications/rules/${rule.id}`, { body: { enabled: !rule.enabled } });
    } catch (error) {
      toasts.show("danger", messageOf(error));
    }
    await reread();
  };
  const remove = async () => {
    await api.send("DELETE", `notifications/rules/${rule.id}`);
    await reread();
  };
  return (
    <li className={classes.item}>
      <div className={classes.what}>
        <span className={classes.name}>
          <span className="ellipsis">{rule.name}</span>
          <span className="muted">
            {rule.shared ? "shared" : rule.mine ? "mine" : `of ${rule.owner ?? "somebody"}`}
          </span>
        </span>
        <span className={classes.detail}>
          {eventsText(rule.events)}, {names.length === 0 ? all : `in ${listed(names)}`}, through{" "}
          {rule.channel_name}
          {to}
        </span>
      </div>
      <div className={classes.actions}>
        <Checkbox
          size="xs"
          label="On"
          aria-label={`${rule.name} is on`}
          checked={rule.enabled}
          onChange={() => void toggle()}
        />
        <ActionIcon aria-label={`Edit ${rule.name}`} onClick={onEdit}>
          <Icon name="edit" size={14} />
        </ActionIcon>
        <ActionIcon aria-label={`Delete ${rule.name}`} onClick={() => setDeleting(true)}>
          <Icon name="trash" size={14} />
        </ActionIcon>
      </div>
      {deleting && (
        <Confirm
          title={`Delete ${rule.name}`}
          label="Delete rule"
          danger
          onConfirm={remove}
          onClose={() => setDeleting(false)}
        >
          What waits to be sent by this rule is not sent.
        </Confirm>
      )}
    </li>
  );
}
