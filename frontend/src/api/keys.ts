/** Query keys, in one place so that live messages can invalidate what they touch. */
export const keys = {
  me: ["me"] as const,
  groups: ["groups"] as const,
  host: (id: string) => ["hosts", id] as const,
  patches: (id: string) => ["hosts", id, "patches"] as const,
  history: (id: string) => ["hosts", id, "history"] as const,
  hostJobs: (id: string) => ["hosts", id, "jobs"] as const,
  packages: (id: string) => ["hosts", id, "packages"] as const,
  certificates: (id: string) => ["hosts", id, "certificates"] as const,
  hostAudit: (id: string) => ["hosts", id, "audit"] as const,
  fleetPatches: (search: string) => ["fleet-patches", search] as const,
  deployments: ["deployments"] as const,
  deployment: (id: string) => ["deployments", id] as const,
  deploymentJobs: (id: string) => ["jobs", "of", id] as const,
  deploymentFailures: (id: string) => ["jobs", "failed-of", id] as const,
  jobList: (filter: unknown) => ["jobs", "list", filter] as const,
  failures: ["jobs", "failed"] as const,
  job: (id: string) => ["jobs", "one", id] as const,
  /** All that is known of windows and freezes starts like this one, so that a change makes all of it old. */
  windows: ["windows"] as const,
  windowsOf: (host: string) => ["windows", "of", host] as const,
  freezes: (past: boolean) => ["windows", "freezes", past] as const,
  withoutWindow: ["windows", "without"] as const,
  nextOpenings: ["windows", "next"] as const,
  openNow: ["windows", "open-now"] as const,
  coverage: ["windows", "coverage"] as const,
  agenda: (begin: string, hours: number, group: string | null) =>
    ["windows", "agenda", begin, hours, group] as const,
  opening: (opens: string, closes: string, group: string | null) =>
    ["windows", "opening", opens, closes, group] as const,
  windowPreview: (body: string, count: number) => ["windows", "preview", body, count] as const,
  preview: (body: unknown) => ["preview", body] as const,
};
