/** Make or change a rule. */

import { Checkbox, MultiSelect, Select, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useApi } from "@/api/context";
import { useGroups, useIsAdmin } from "@/api/queries";
import type { Channel, Rule, RuleEvent } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import classes from "@/modules/notifications/notifications.module.css";
import { useReread } from "@/modules/notifications/reads";
import { addressesIn, EVENTS } from "@/modules/notifications/words";

const USUAL: RuleEvent[] = ["job_failed", "outcome_unknown", "deployment_stopped", "host_unreachable"];

interface Props {
  rule: Rule | null;
  channels: readonly Channel[];
  onClose: () => void;
}

export function RuleForm({ rule, channels, onClose }: Props) {
  const api = useApi();
  const admin = useIsAdmin();
  const groups = useGroups();
  const reread = useReread();
  const [name, setName] = useState(rule?.name ?? "");
  const [shared, setShared] = useState(rule?.shared ?? admin);
  const [channelId, setChannelId] = useState(rule?.channel_id ?? channels[0]?.id ?? "");
  const [events, setEvents] = useState<RuleEvent[]>(rule?.events ?? USUAL);
  const [groupIds, setGroupIds] = useState(rule?.group_ids ?? []);
  const [recipients, setRecipients] = useState(rule?.recipients.join("\n") ?? "");
  const mail = channels.find((channel) => channel.id === channelId)?.kind === "smtp";
  // Groups out of sight stay in the rule as long as nobody takes them out.
  const known = new Set(groups.map((group) => group.id));
  const choices = [
    ...groups.map((group) => ({ value: group.id, label: group.name })),
    ...groupIds.filter((id) => !known.has(id)).map((id) => ({ value: id, label: "a group out of sight" })),
  ];
  const submit = async () => {
    const body = {
      name: name.trim(),
      channel_id: channelId,
      events,
      group_ids: groupIds,
      recipients: mail ? addressesIn(recipients) : [],
    };
    if (rule === null) await api.post("notifications/rules", { ...body, shared });
    else await api.send("PATCH", `notifications/rules/${rule.id}`, { body });
    await reread();
    onClose();
  };
  return (
    <FormDialog
      title={rule === null ? "Add rule" : `Edit ${rule.name}`}
      label={rule === null ? "Add rule" : "Save"}
      size="lg"
      ready={name.trim() !== "" && events.length !== 0}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          <TextInput
            label="Name"
            required
            maxLength={100}
            data-autofocus
            placeholder="Failures of the web servers"
            value={name}
            error={field("name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Checkbox.Group
            label="Tell of"
            value={events}
            error={field("events")}
            onChange={(words) =>
              setEvents(EVENTS.map(({ value }) => value).filter((each) => words.includes(each)))
            }
          >
            <div className={classes.events}>
              {EVENTS.map((each) => (
                <Checkbox
                  key={each.value}
                  size="xs"
                  value={each.value}
                  label={each.text}
                  description={each.help}
                />
              ))}
            </div>
          </Checkbox.Group>
          <MultiSelect
            label="Groups"
            description={shared ? "Empty: all hosts." : "Empty: all hosts that you see."}
            data={choices}
            value={groupIds}
            onChange={setGroupIds}
            searchable
            error={field("group_ids")}
          />
          <Select
            label="Channel"
            data={channels.map((channel) => ({ value: channel.id, label: channel.name }))}
            allowDeselect={false}
            value={channelId}
            error={field("channel_id")}
            onChange={(value) => setChannelId(value ?? "")}
          />
          {mail && (
            <Textarea
              label="Recipients"
              description="One address a line. Empty: those of the channel."
              autosize
              minRows={1}
              maxRows={5}
              value={recipients}
              error={field("recipients")}
              onChange={(event) => setRecipients(event.currentTarget.value)}
            />
          )}
          {admin && rule === null && (
            <Checkbox
              size="xs"
              label="Shared by the administrators"
              description="Belongs to no account, so that it stays when somebody leaves. Otherwise it is yours."
              checked={shared}
              onChange={(event) => setShared(event.currentTarget.checked)}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
