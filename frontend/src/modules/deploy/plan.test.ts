import { describe, expect, it } from "vitest";
import type { DeploymentPreview, PreviewHost } from "@/api/types";
import { mustType } from "@/components/Confirm";
import { bodyOf, excludedWords, packagesOf, planOf, planWords } from "@/modules/deploy/plan";
import { previewHost } from "@/test/entities";

function openssl(severity = "critical") {
  return {
    name: "openssl",
    current_version: "3.0.15",
    available_version: "3.0.16",
    severity,
    cve_ids: ["CVE-2026-1"],
    requires_reboot: false,
  };
}

function host(id: string, changes: Partial<PreviewHost> = {}): PreviewHost {
  return previewHost(id, { packages: [openssl()], ...changes });
}

function preview(...hosts: PreviewHost[]): DeploymentPreview {
  return {
    host_count: hosts.length,
    package_count: 0,
    cve_count: 0,
    reboot_count: 0,
    problem_count: 0,
    rings: [],
    outside_windows_count: 0,
    excluded_count: 0,
    hosts,
  };
}

describe("what a deployment would do", () => {
  const all = preview(
    host("a", { will_reboot: true }),
    host("idle", { packages: [] }),
    host("gone", { problem: "unreachable: connection refused" }),
    host("unread", { packages: [], problem: "its patches were never read" }),
  );

  it("leaves out hosts where nothing is pending, but keeps those it knows nothing of", () => {
    expect(planOf(all, false).hosts.map((each) => each.host_id)).toEqual(["a", "gone", "unread"]);
  });

  it("leaves out exceptions only when asked to", () => {
    expect(planOf(all, true).hosts.map((each) => each.host_id)).toEqual(["a"]);
  });

  it("says it in numbers, each CVE once", () => {
    expect(planWords(planOf(all, false))).toBe("2 updates on 3 hosts close 1 CVE; 1 host reboots");
    expect(planWords(planOf(preview(), false))).toBe("Nothing to do");
  });

  it("counts and names what exclusions leave out", () => {
    const excluded = [
      {
        name: "nginx",
        package: "nginx*",
        owner: "web team",
        reason: "tested in June",
        expires_at: null,
        standing: false,
      },
    ];
    const left = host("a", { excluded });
    expect(planOf(preview(left, host("b")), false).excluded).toBe(1);
    expect(excludedWords(left)).toBe("nginx: excluded by web team: tested in June");
  });

  it("gathers packages over hosts by their worst severity", () => {
    const rows = packagesOf([host("a", { packages: [openssl("low")] }), host("b")]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ name: "openssl", severity: "critical", hosts: 2, cves: ["CVE-2026-1"] });
  });

  it("asks for packages only when they were chosen one by one", () => {
    expect(bodyOf(["a"], "security", ["curl"], { when: "now", reboot: "never" })).toMatchObject({
      packages: null,
      security_only: true,
    });
    expect(bodyOf(["a"], "chosen", ["b", "a"], { when: "window", reboot: "if_required" })).toMatchObject({
      packages: ["a", "b"],
      security_only: false,
      when: "window",
      reboot: "if_required",
      override_freeze: false,
      rollout: null,
    });
  });
});

describe("typing the count", () => {
  it("is asked above fifty hosts or ten reboots", () => {
    expect(mustType(50, 10)).toBeNull();
    expect(mustType(51)).toBe(51);
    expect(mustType(12, 11)).toBe(12);
  });
});
