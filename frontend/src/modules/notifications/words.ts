/** Events, channels and states of deliveries in people's words. */
import type { Channel, DeliveryState, RuleEvent } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { listed, sentence } from "@/lib/words";

export const EVENTS: readonly { value: RuleEvent; text: string; help: string }[] = [
  { value: "job_failed", text: "Jobs that failed", help: "after their one retry; one message for many" },
  { value: "outcome_unknown", text: "Unknown outcomes", help: "jobs that wait for you to resolve them" },
  { value: "deployment_stopped", text: "Stopped deployments", help: "more jobs failed than its rule allows" },
  { value: "deployment_finished", text: "Finished deployments", help: "with totals" },
  { value: "host_unreachable", text: "Unreachable hosts", help: "red, after four tries over ten minutes" },
  { value: "host_recovered", text: "Hosts reachable again", help: "after a message that they were not" },
  { value: "window_opening", text: "Windows about to open", help: "24 hours ahead, once an hour at most" },
  { value: "certificate_expiring", text: "Expiring certificates", help: "30, 14, 7 and 1 days before" },
];

export const FORMATS = [
  { value: "slack", label: "Slack (also Mattermost, Rocket.Chat)" },
  { value: "teams", label: "Microsoft Teams" },
  { value: "ntfy", label: "ntfy" },
  { value: "json", label: "JSON of our own, signed" },
] as const;

const FORMAT_NAMES = { slack: "Slack", teams: "Teams", ntfy: "ntfy", json: "JSON" } as const;

/** `Slack`, `Mail`, …; operators know the kind only. */
export function kindOf(channel: Channel): string {
  if (channel.kind === "smtp") return "Mail";
  return channel.webhook === null ? "Webhook" : FORMAT_NAMES[channel.webhook.format];
}

/** Where a channel leads, as far as it may be shown. */
export function whereOf(channel: Channel): string {
  if (channel.smtp !== null) {
    const { host, port, security, recipients } = channel.smtp;
    const to = recipients.length > 0 ? ` to ${recipients.join(", ")}` : ", recipients as rules say";
    return `${host}:${port}${security === "none" ? " (not encrypted)" : ""}${to}`;
  }
  return channel.webhook?.origin ?? "";
}

/** `Jobs that failed and unreachable hosts`. */
export function eventsText(events: readonly RuleEvent[]): string {
  const texts = EVENTS.filter(({ value }) => events.includes(value)).map(({ text }) => text.toLowerCase());
  return sentence(listed(texts));
}

export const STATES: Record<DeliveryState, { text: string; tone: Tone }> = {
  pending: { text: "Waiting", tone: "working" },
  delivered: { text: "Delivered", tone: "healthy" },
  failed: { text: "Given up", tone: "danger" },
  dropped: { text: "Not sent", tone: "unknown" },
};

/** Addresses as typed, one a line or with commas. */
export function addressesIn(text: string): string[] {
  return text
    .split(/[\s,;]+/)
    .map((word) => word.trim())
    .filter((word) => word !== "");
}
