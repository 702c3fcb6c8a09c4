/** What an audit event says beyond its action, in one line. Pure. */
import type { AuditEvent } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { spaced } from "@/lib/words";

export const OUTCOME_TONES: Record<AuditEvent["outcome"], Tone> = {
  success: "healthy",
  denied: "attention",
  failure: "danger",
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function said(value: unknown): string {
  if (value === null || value === undefined || value === "") return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(said).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `port none → 12443; display name web-1 → web-2` for a change, else `address 127.0.0.2; port 12443`. */
export function detailWords(detail: Record<string, unknown>): string {
  const { before, after, ...rest } = detail;
  const parts: string[] = [];
  if (isRecord(before) && isRecord(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [old, new_] = [said(before[name]), said(after[name])];
      if (old !== new_) parts.push(`${spaced(name)} ${old} → ${new_}`);
    }
  } else {
    if (before !== undefined) parts.push(`before ${said(before)}`);
    if (after !== undefined) parts.push(`after ${said(after)}`);
  }
  for (const [name, value] of Object.entries(rest)) parts.push(`${spaced(name)} ${said(value)}`);
  return parts.join("; ");
}
