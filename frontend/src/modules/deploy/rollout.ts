/** Rings, the rule that stops them and how many may be away: as fields, as text in the address, as request. Pure. */
import type { DeploymentCreate } from "@/api/types";
import { count, plural } from "@/lib/words";

export type RingBy = "count" | "percent" | "group";

/** One ring: so many hosts, so many percent of them, or the hosts of a group. */
export interface RingDraft {
  by: RingBy;
  value: number;
  group: string;
}

export interface StopRule {
  by: "failures" | "percent";
  value: number;
}

export interface RolloutDraft {
  rings: RingDraft[];
  soak: number;
  stop: StopRule | null;
  away: number | null;
}

export const AT_ONCE: RolloutDraft = { rings: [], soak: 0, stop: null, away: null };

/** What most would choose: a few first, half an hour to see, and an end when one in ten fails. */
export const CAREFUL: RolloutDraft = {
  rings: [{ by: "percent", value: 5, group: "" }],
  soak: 30,
  stop: { by: "percent", value: 10 },
  away: null,
};

function ringText(ring: RingDraft): string {
  if (ring.by === "group") return `g${ring.group}`;
  return ring.by === "percent" ? `${ring.value}p` : String(ring.value);
}

function ringFrom(text: string): RingDraft | null {
  if (/^g[0-9a-f-]*$/.test(text)) return { by: "group", value: 0, group: text.slice(1) };
  const match = /^(\d+(?:\.\d+)?)(p?)$/.exec(text);
  return match === null
    ? null
    : { by: match[2] === "p" ? "percent" : "count", value: Number(match[1]), group: "" };
}

/** Read from the address; what nobody understands is left out. */
export function rolloutFrom(params: URLSearchParams): RolloutDraft {
  const rings = (params.get("rings") ?? "")
    .split(",")
    .map(ringFrom)
    .filter((ring) => ring !== null);
  const stop = ringFrom(params.get("stop") ?? "");
  const number = (name: string) => {
    const text = params.get(name);
    return text !== null && /^\d+$/.test(text) ? Number(text) : null;
  };
  return {
    rings,
    soak: number("soak") ?? 0,
    stop:
      stop === null || stop.by === "group"
        ? null
        : { by: stop.by === "percent" ? "percent" : "failures", value: stop.value },
    away: number("away"),
  };
}

/** Write into the address; what is usual leaves no trace. */
export function rolloutInto(
  params: URLSearchParams,
  { rings, soak, stop, away }: RolloutDraft,
): URLSearchParams {
  const next = new URLSearchParams(params);
  const put = (name: string, value: string) => (value === "" ? next.delete(name) : next.set(name, value));
  put("rings", rings.map(ringText).join(","));
  put("soak", soak === 0 ? "" : String(soak));
  put("stop", stop === null ? "" : `${stop.value}${stop.by === "percent" ? "p" : ""}`);
  put("away", away === null ? "" : String(away));
  return next;
}

/** The request's part; null when all hosts go at once and nothing stops or slows them. */
export function rolloutBody({ rings, soak, stop, away }: RolloutDraft): DeploymentCreate["rollout"] {
  if (rings.length === 0 && stop === null && away === null) return null;
  return {
    rings: rings.map((ring) => ({
      name: "",
      count: ring.by === "count" ? ring.value : null,
      percent: ring.by === "percent" ? ring.value : null,
      host_ids: [],
      group_ids: ring.by === "group" ? [ring.group] : [],
    })),
    soak_minutes: rings.length === 0 ? 0 : soak,
    stop_after_failures: stop?.by === "failures" ? stop.value : null,
    stop_after_failed_percent: stop?.by === "percent" ? stop.value : null,
    max_unavailable: away,
  };
}

/** Whether each field holds something that can be asked about. */
export function isWhole({ rings, stop, away }: RolloutDraft): boolean {
  return (
    rings.every((ring) => (ring.by === "group" ? ring.group !== "" : ring.value > 0)) &&
    (stop === null || stop.value >= 0) &&
    away !== 0
  );
}

/** `when more than 3 hosts fail`, `when more than 10% of a ring fail`. */
export function stopWords(stop: StopRule): string {
  if (stop.by === "percent") return `when more than ${count(stop.value)}% of a ring fail`;
  return stop.value === 0 ? "at the first failure" : `when more than ${plural(stop.value, "host")} fail`;
}

/** How a rollout goes, for a title: `all at once`, `in 3 rings`. The last ring is what no other takes. */
export function rolloutWords({ rings }: RolloutDraft): string {
  return rings.length === 0 ? "all at once" : `in ${count(rings.length + 1)} rings`;
}
