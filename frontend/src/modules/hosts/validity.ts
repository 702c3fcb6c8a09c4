/** How long certificates are good for, in words. Pure. */
import type { Certificate } from "@/api/types";
import type { Tone } from "@/components/Mark";
import { DAY, relative, span } from "@/lib/time";
import { plural } from "@/lib/words";

/** A certificate with fewer days left wants a successor, unless it has one. */
const RENEW_DAYS = 30;
const MONTH = 30.44 * DAY;

export interface Validity {
  tone: Tone;
  word: string;
  /** `expires in 12 months`, `expired 3 days ago`, `revoked 2 h ago: key compromise`. */
  when: string;
}

type Dated = Pick<Certificate, "not_before" | "not_after" | "revoked_at" | "revocation_reason">;

/** `3 days`, `12 months`, `2 years`; below two days as exact as other times are. */
function length(milliseconds: number): string {
  if (milliseconds < 2 * DAY) return span(milliseconds);
  if (milliseconds < 2 * MONTH) return plural(Math.floor(milliseconds / DAY), "day");
  const months = Math.round(milliseconds / MONTH);
  return months < 24 ? plural(months, "month") : plural(Math.floor(months / 12), "year");
}

export function expiryWords(notAfter: string, at: number): string {
  const left = Date.parse(notAfter) - at;
  return left > 0 ? `expires in ${length(left)}` : `expired ${length(-left)} ago`;
}

/** What a certificate is worth now; `others` are those of the same host, which may make up for it. */
export function validity(certificate: Dated, others: readonly Dated[], at: number): Validity {
  const { not_before, not_after, revoked_at, revocation_reason } = certificate;
  if (revoked_at !== null) {
    const why = revocation_reason === null ? "" : `: ${revocation_reason}`;
    return { tone: "unknown", word: "Revoked", when: `revoked ${relative(revoked_at, at)}${why}` };
  }
  const ends = Date.parse(not_after);
  const replaced = others.some((each) => each.revoked_at === null && Date.parse(each.not_after) > ends);
  const when = expiryWords(not_after, at);
  if (ends <= at) return { tone: replaced ? "unknown" : "danger", word: "Expired", when };
  if (Date.parse(not_before) > at) {
    return { tone: "attention", word: "Not yet valid", when: `valid ${relative(not_before, at)}` };
  }
  if (replaced) return { tone: "unknown", word: "Valid, a newer one exists", when };
  if (ends - at < RENEW_DAYS * DAY) return { tone: "attention", word: "Expires soon", when };
  return { tone: "healthy", word: "Valid", when };
}

/** Hexadecimal as OpenSSL prints it, to be compared by eye: `ab01` → `AB:01`. */
export function colons(hexadecimal: string): string {
  return (hexadecimal.toUpperCase().match(/..?/g) ?? []).join(":");
}
