/** Ways out: mail servers and webhooks, with a test whose real end is shown where it was asked for. */

import { ActionIcon, Button, Skeleton } from "@mantine/core";
import { useState } from "react";
import { useApi } from "@/api/context";
import { messageOf } from "@/api/problem";
import type { Channel, ChannelTest } from "@/api/types";
import { Confirm } from "@/components/Confirm";
import { Icon } from "@/components/Icon";
import { Mark } from "@/components/Mark";
import { Failure } from "@/components/Notice";
import { Panel } from "@/components/Panel";
import { sentence } from "@/lib/words";
import { ChannelForm } from "@/modules/notifications/ChannelForm";
import classes from "@/modules/notifications/notifications.module.css";
import { useChannels, useReread } from "@/modules/notifications/reads";
import { kindOf, whereOf } from "@/modules/notifications/words";

export function Channels() {
  const query = useChannels();
  const [editing, setEditing] = useState<Channel | "new" | null>(null);
  return (
    <Panel
      title="Channels"
      actions={
        <Button
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          onClick={() => setEditing("new")}
        >
          Add channel
        </Button>
      }
    >
      {query.isPending && (
        <div className={classes.teach} aria-busy="true">
          <Skeleton height={40} />
        </div>
      )}
      {query.isError && (
        <Failure error={query.error} doing="read the channels" retry={() => void query.refetch()} />
      )}
      {query.data?.length === 0 && (
        <div className={classes.teach}>
          <p>
            A channel is a mail server, or an address in Slack, Teams, ntfy or a program of yours. Nothing is
            sent until there is one, and a rule that uses it. Passwords, tokens and addresses of webhooks are
            kept encrypted and never shown again.
          </p>
          <Button onClick={() => setEditing("new")}>Add the first channel</Button>
        </div>
      )}
      {query.data !== undefined && query.data.length > 0 && (
        <ul className={classes.list} aria-label="Channels">
          {query.data.map((channel) => (
            <Item key={channel.id} channel={channel} onEdit={() => setEditing(channel)} />
          ))}
        </ul>
      )}
      {editing !== null && (
        <ChannelForm channel={editing === "new" ? null : editing} onClose={() => setEditing(null)} />
      )}
    </Panel>
  );
}

type Result = ChannelTest | "running" | null;

function Item({ channel, onEdit }: { channel: Channel; onEdit: () => void }) {
  const api = useApi();
  const reread = useReread();
  const [result, setResult] = useState<Result>(null);
  const [deleting, setDeleting] = useState(false);
  const test = async () => {
    setResult("running");
    try {
      setResult(await api.post<ChannelTest>(`notifications/channels/${channel.id}/test`));
    } catch (error) {
      setResult({ ok: false, detail: messageOf(error), seconds: 0 });
    }
  };
  const remove = async () => {
    await api.send("DELETE", `notifications/channels/${channel.id}`);
    await reread();
  };
  return (
    <li className={classes.item}>
      <div className={classes.what}>
        <span className={classes.name}>
          <Icon name={channel.kind === "smtp" ? "mail" : "webhook"} size={14} />
          <span className="ellipsis">{channel.name}</span>
        </span>
        <span className={classes.detail}>
          {kindOf(channel)} · {whereOf(channel)}
        </span>
      </div>
      <div className={classes.actions}>
        <Button variant="default" loading={result === "running"} onClick={() => void test()}>
          Send test
        </Button>
        <ActionIcon aria-label={`Edit ${channel.name}`} onClick={onEdit}>
          <Icon name="edit" size={14} />
        </ActionIcon>
        <ActionIcon aria-label={`Delete ${channel.name}`} onClick={() => setDeleting(true)}>
          <Icon name="trash" size={14} />
        </ActionIcon>
      </div>
      {result !== null && result !== "running" && (
        <div className={classes.result} role={result.ok ? "status" : "alert"}>
          <Mark tone={result.ok ? "healthy" : "danger"}>
            {result.ok ? "Test sent" : "Test failed"}: {sentence(result.detail)} ({result.seconds.toFixed(1)}{" "}
            s)
          </Mark>
        </div>
      )}
      {deleting && (
        <Confirm
          title={`Delete ${channel.name}`}
          label="Delete channel"
          danger
          onConfirm={remove}
          onClose={() => setDeleting(false)}
        >
          The channel and its secrets are removed. A channel that a rule uses cannot be deleted.
        </Confirm>
      )}
    </li>
  );
}
