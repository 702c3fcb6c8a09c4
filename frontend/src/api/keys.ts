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
  deployments: ["deployments"] as const,
  deployment: (id: string) => ["deployments", id] as const,
  deploymentJobs: (id: string) => ["jobs", "of", id] as const,
  failures: ["jobs", "failed"] as const,
  job: (id: string) => ["jobs", "one", id] as const,
  preview: (body: unknown) => ["preview", body] as const,
};
