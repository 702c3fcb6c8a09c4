/** Make or change a channel. Secrets are typed anew or left as they are; they never come back from the server. */

import { Group, PasswordInput, SegmentedControl, Select, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { useApi } from "@/api/context";
import type { Channel } from "@/api/types";
import { FormDialog } from "@/components/FormDialog";
import { useToasts } from "@/components/toasts";
import { useReread } from "@/modules/notifications/reads";
import { addressesIn, FORMATS } from "@/modules/notifications/words";

const SECURITY = [
  { value: "starttls", label: "STARTTLS, usually port 587" },
  { value: "tls", label: "TLS from the start, usually port 465" },
  { value: "none", label: "None, readable on the way" },
];
const PORTS: Record<string, string> = { starttls: "587", tls: "465", none: "25" };

interface Fields {
  host: string;
  port: string;
  security: string;
  username: string;
  password: string;
  sender: string;
  recipients: string;
  url: string;
  format: string;
  topic: string;
  token: string;
  signing: string;
}

function fieldsOf(channel: Channel | null): Fields {
  const { smtp, webhook } = channel ?? { smtp: null, webhook: null };
  return {
    host: smtp?.host ?? "",
    port: String(smtp?.port ?? 587),
    security: smtp?.security ?? "starttls",
    username: smtp?.username ?? "",
    password: "",
    sender: smtp?.sender ?? "",
    recipients: smtp?.recipients.join("\n") ?? "",
    url: "",
    format: webhook?.format ?? "slack",
    topic: webhook?.topic ?? "",
    token: "",
    signing: "",
  };
}

/** The body's part for mail; a password that was not typed stays, and goes with its user name. */
function smtpBody(fields: Fields) {
  const username = fields.username.trim();
  const password =
    username === "" ? { password: null } : fields.password === "" ? {} : { password: fields.password };
  return {
    host: fields.host.trim(),
    port: Number(fields.port),
    security: fields.security,
    username: username === "" ? null : username,
    ...password,
    sender: fields.sender.trim(),
    recipients: addressesIn(fields.recipients),
  };
}

function webhookBody(fields: Fields) {
  return {
    ...(fields.url.trim() === "" ? {} : { url: fields.url.trim() }),
    format: fields.format,
    topic: fields.format === "ntfy" && fields.topic.trim() !== "" ? fields.topic.trim() : null,
    ...(fields.token === "" ? {} : { bearer_token: fields.token }),
    ...(fields.signing === "" ? {} : { signing_secret: fields.signing }),
  };
}

export function ChannelForm({ channel, onClose }: { channel: Channel | null; onClose: () => void }) {
  const api = useApi();
  const toasts = useToasts();
  const reread = useReread();
  const [name, setName] = useState(channel?.name ?? "");
  const [kind, setKind] = useState<Channel["kind"]>(channel?.kind ?? "smtp");
  const [fields, setFields] = useState(() => fieldsOf(channel));
  const set = (change: Partial<Fields>) => setFields((before) => ({ ...before, ...change }));
  const submit = async () => {
    const settings = kind === "smtp" ? { smtp: smtpBody(fields) } : { webhook: webhookBody(fields) };
    if (channel === null) {
      await api.post("notifications/channels", { name: name.trim(), kind, ...settings });
    } else {
      const body = { name: name.trim(), ...settings };
      await api.send("PATCH", `notifications/channels/${channel.id}`, { body });
    }
    await reread();
    toasts.show("healthy", `${name.trim()} saved. Send a test to be sure.`);
    onClose();
  };
  const ready =
    name.trim() !== "" && (kind === "smtp" ? fields.host !== "" : channel !== null || fields.url !== "");
  return (
    <FormDialog
      title={channel === null ? "Add channel" : `Edit ${channel.name}`}
      label={channel === null ? "Add channel" : "Save"}
      size="lg"
      ready={ready}
      onSubmit={submit}
      onClose={onClose}
    >
      {(field) => (
        <>
          {channel === null && (
            <SegmentedControl
              aria-label="Kind of channel"
              data={[
                { value: "smtp", label: "Mail" },
                { value: "webhook", label: "Webhook" },
              ]}
              value={kind}
              onChange={(value) => setKind(value === "smtp" ? "smtp" : "webhook")}
            />
          )}
          <TextInput
            label="Name"
            description="As rules will call it."
            required
            maxLength={100}
            data-autofocus
            value={name}
            error={field("name")}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {kind === "smtp" ? (
            <MailFields channel={channel} fields={fields} set={set} field={field} />
          ) : (
            <WebhookFields channel={channel} fields={fields} set={set} field={field} />
          )}
        </>
      )}
    </FormDialog>
  );
}

interface PartProps {
  channel: Channel | null;
  fields: Fields;
  set: (change: Partial<Fields>) => void;
  field: (key: string) => string | undefined;
}

function MailFields({ channel, fields, set, field }: PartProps) {
  const kept = channel?.smtp?.password_set === true;
  return (
    <>
      <Group gap="xs" grow align="flex-start" preventGrowOverflow={false}>
        <TextInput
          label="Server"
          required
          autoComplete="off"
          spellCheck={false}
          placeholder="mail.example.com"
          value={fields.host}
          error={field("host")}
          onChange={(event) => set({ host: event.currentTarget.value })}
        />
        <TextInput
          label="Port"
          required
          inputMode="numeric"
          pattern="[0-9]{1,5}"
          w={90}
          flex="none"
          value={fields.port}
          error={field("port")}
          onChange={(event) => set({ port: event.currentTarget.value })}
        />
      </Group>
      <Select
        label="Encryption"
        description="A server that does not offer it gets nothing."
        data={SECURITY}
        allowDeselect={false}
        value={fields.security}
        error={field("security")}
        onChange={(value) =>
          set({ security: value ?? "starttls", port: PORTS[value ?? "starttls"] ?? "587" })
        }
      />
      <Group gap="xs" grow align="flex-start">
        <TextInput
          label="User name"
          description="Empty: no sign-in."
          autoComplete="off"
          value={fields.username}
          error={field("username")}
          onChange={(event) => set({ username: event.currentTarget.value })}
        />
        <PasswordInput
          label="Password"
          description={kept ? "Empty: stays as it is." : "Kept encrypted."}
          autoComplete="new-password"
          value={fields.password}
          error={field("password")}
          onChange={(event) => set({ password: event.currentTarget.value })}
        />
      </Group>
      <TextInput
        label="From"
        required
        placeholder="patch-manager@example.com"
        value={fields.sender}
        error={field("sender")}
        onChange={(event) => set({ sender: event.currentTarget.value })}
      />
      <Textarea
        label="To"
        description="One address a line. Rules may name others; without any here, they must."
        autosize
        minRows={1}
        maxRows={5}
        value={fields.recipients}
        error={field("recipients")}
        onChange={(event) => set({ recipients: event.currentTarget.value })}
      />
    </>
  );
}

function WebhookFields({ channel, fields, set, field }: PartProps) {
  const webhook = channel?.webhook ?? null;
  return (
    <>
      <Select
        label="For"
        data={[...FORMATS]}
        allowDeselect={false}
        value={fields.format}
        error={field("format")}
        onChange={(value) => set({ format: value ?? "json" })}
      />
      <TextInput
        label="Address"
        description={
          webhook === null
            ? "As the other side gives it; kept encrypted, because who knows it may write there."
            : `Empty: stays as it is, at ${webhook.origin}.`
        }
        required={webhook === null}
        autoComplete="off"
        spellCheck={false}
        placeholder="https://chat.example.com/hooks/…"
        value={fields.url}
        error={field("url")}
        onChange={(event) => set({ url: event.currentTarget.value })}
      />
      {fields.format === "ntfy" && (
        <TextInput
          label="Topic"
          description="Empty: the last part of the address."
          value={fields.topic}
          error={field("topic")}
          onChange={(event) => set({ topic: event.currentTarget.value })}
        />
      )}
      <PasswordInput
        label="Bearer token"
        description={webhook?.bearer_token_set ? "Empty: stays as it is." : "If the other side asks for one."}
        autoComplete="new-password"
        value={fields.token}
        error={field("bearer_token")}
        onChange={(event) => set({ token: event.currentTarget.value })}
      />
      {fields.format === "json" && (
        <PasswordInput
          label="Signing secret"
          description={
            webhook?.signing_secret_set
              ? "Empty: stays as it is."
              : "With one, the receiver can tell our messages: HMAC-SHA256 over time and body."
          }
          autoComplete="new-password"
          value={fields.signing}
          error={field("signing_secret")}
          onChange={(event) => set({ signing: event.currentTarget.value })}
        />
      )}
    </>
  );
}
