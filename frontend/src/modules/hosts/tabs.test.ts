import { describe, expect, it } from "vitest";
import type { Package } from "@/api/types";
import { detailWords } from "@/modules/hosts/auditWords";
import { identified, shownPackages, unreadAdvice } from "@/modules/hosts/packages";
import { colons, expiryWords, validity } from "@/modules/hosts/validity";
import { ago, host, NOW } from "@/test/entities";

function pack(name: string, upgradable = false): Package {
  return { name, version: "1", status: "installed", upgradable, latest_version: null, description: "" };
}

describe("the packages of a host", () => {
  const all = identified([pack("lib10"), pack("Bash"), pack("lib9", true), pack("lib9")]);
  const names = (changes: Partial<Parameters<typeof shownPackages>[1]>) =>
    shownPackages(all, {
      search: "",
      upgradableOnly: false,
      sort: { column: "name", descending: false },
      ...changes,
    }).map((each) => each.id);

  it("keep rows apart that share a name", () => {
    expect(all.map((each) => each.id)).toEqual(["lib10", "Bash", "lib9", "lib9 (2)"]);
  });

  it("are searched, filtered and sorted as people count", () => {
    expect(names({})).toEqual(["Bash", "lib9", "lib9 (2)", "lib10"]);
    expect(names({ search: " LIB1" })).toEqual(["lib10"]);
    expect(names({ upgradableOnly: true })).toEqual(["lib9"]);
    expect(names({ sort: { column: "name", descending: true } })[0]).toBe("lib10");
    expect(names({ sort: { column: "available", descending: false } })).toEqual([
      "lib9",
      "Bash",
      "lib9 (2)",
      "lib10",
    ]);
  });

  it("say what to do when they cannot be read", () => {
    expect(unreadAdvice(host("a", { health: "unreachable" }))).toContain("127.0.0.2, port 12443");
    expect(unreadAdvice(host("a", { health: "unreachable", actor_state: "quarantined" }))).toContain("admin");
    expect(unreadAdvice(host("a"))).toContain("Try again");
  });
});

describe("a certificate", () => {
  const dated = (end: string, revoked_at: string | null = null) => ({
    not_before: ago(100),
    not_after: end,
    revoked_at,
    revocation_reason: revoked_at === null ? null : "key compromise",
  });
  const tone = (end: string, ...others: string[]) =>
    validity(
      dated(end),
      others.map((each) => dated(each)),
      NOW,
    ).tone;

  it("says in words when it expires", () => {
    expect(expiryWords(ago(-365), NOW)).toBe("expires in 12 months");
    expect(expiryWords(ago(-3652), NOW)).toBe("expires in 10 years");
    expect(expiryWords(ago(-12), NOW)).toBe("expires in 12 days");
    expect(expiryWords(ago(0, -3), NOW)).toBe("expires in 3 h");
    expect(expiryWords(ago(3), NOW)).toBe("expired 3 days ago");
  });

  it("wants attention near its end only while no other one of the host lasts longer", () => {
    expect(tone(ago(-200))).toBe("healthy");
    expect(tone(ago(-29))).toBe("attention");
    expect(tone(ago(1))).toBe("danger");
    expect(tone(ago(-29), ago(-300))).toBe("unknown");
    expect(tone(ago(1), ago(-300))).toBe("unknown");
  });

  it("is worth nothing once revoked, nor before it begins", () => {
    expect(validity(dated(ago(-200), ago(1)), [], NOW)).toEqual({
      tone: "unknown",
      word: "Revoked",
      when: "revoked 1 d ago: key compromise",
    });
    expect(validity({ ...dated(ago(-200)), not_before: ago(0, -1) }, [], NOW).word).toBe("Not yet valid");
  });

  it("shows its fingerprint as OpenSSL prints it", () => {
    expect(colons("ab01ff")).toBe("AB:01:FF");
  });
});

describe("an audit event", () => {
  it("names only what changed", () => {
    const before = { port: 12443, fqdn: null, group_ids: ["a"] };
    expect(detailWords({ before, after: { port: 12443, fqdn: "web", group_ids: [] } })).toBe(
      "fqdn none → web; group ids a → none",
    );
    expect(detailWords({ actor_state: "quarantined" })).toBe("actor state quarantined");
    expect(detailWords({})).toBe("");
  });
});
