/** Names for the generated schema's types, and the envelopes that are not models of their own. */
import type { components } from "@/api/schema";

type Schemas = components["schemas"];

/** A request body: the generator takes fields with a default for required, the server does not. */
type Given<Body, Required extends keyof Body> = Partial<Body> & Pick<Body, Required>;

export type HostRow = Schemas["HostRow"];
export type FleetTotals = Schemas["FleetTotals"];
export type Fleet = Schemas["Fleet"];
export type SeverityCounts = Schemas["SeverityCounts"];
export type Health = HostRow["health"];
export type Severity = NonNullable<HostRow["max_severity"]>;
export type ActorState = HostRow["actor_state"];
export type Patch = Schemas["PatchOut"];
export type FleetPatch = Schemas["FleetPatch"];
export type HealthChange = Schemas["HealthChange"];
export type HostCreate = Given<Schemas["HostCreate"], "address">;
export type HostPatch = Partial<Schemas["HostPatch"]>;
export type Group = Schemas["GroupOut"];
export type DeploymentCreate = Schemas["DeploymentCreate"];
export type DeploymentPreview = Schemas["DeploymentPreview"];
export type PreviewHost = Schemas["PreviewHost"];
export type Deployment = Schemas["DeploymentOut"];
export type JobTotals = Schemas["JobTotals"];
export type Job = Schemas["JobOut"];
export type JobDetail = Schemas["JobDetail"];
export type JobState = Job["state"];
export type PackageOperation = Given<Schemas["PackageOperation"], "operation" | "packages">;
export type RebootRequest = Partial<Schemas["RebootRequest"]>;
export type RollbackRequest = Partial<Schemas["RollbackRequest"]>;
export type RollbackPreview = Schemas["RollbackPreview"];
export type ServiceStatus = Schemas["ServiceStatus"];
export type Attempt = Schemas["AttemptOut"];
export type Package = Schemas["PackageRow"];
export type Certificate = Schemas["CertificateOut"];
export type AuditEvent = Schemas["AuditEventOut"];
export type MaintenanceWindow = Schemas["WindowOut"];
export type WindowCreate = Schemas["WindowCreate"];
export type Occurrence = Schemas["OccurrenceOut"];
export type Opening = Schemas["AgendaOpening"];
export type UpcomingWindow = Schemas["UpcomingWindow"];
export type UpcomingWindows = Schemas["UpcomingWindows"];
export type NextOpening = Schemas["NextOpening"];
export type UncoveredHost = Schemas["UncoveredHost"];
export type Freeze = Schemas["FreezeOut"];
export type FreezeCreate = Schemas["FreezeCreate"];
export type Channel = Schemas["ChannelOut"];
export type ChannelTest = Schemas["ChannelTest"];
export type Rule = Schemas["RuleOut"];
export type RuleEvent = Rule["events"][number];
export type Delivery = Schemas["DeliveryOut"];
export type DeliveryState = Delivery["state"];
export type Problem = Schemas["Problem"];

export type Exclusion = Schemas["ExclusionOut"];
export type ExclusionDetail = Schemas["ExclusionDetail"];
export type ExclusionCreate = Given<
  Schemas["ExclusionCreate"],
  "package" | "owner" | "reason" | "expires_at"
>;
export type Policy = Schemas["PolicyOut"];
export type PolicyDetail = Schemas["PolicyDetail"];
export type PolicyPreview = Schemas["PolicyPreview"];
export type PolicyPreviewHost = Schemas["PolicyPreviewHost"];
export type Rollout = Schemas["RolloutOut"];
/** A policy as the editor writes it: every field, so that a change says all that it means. */
export interface PolicyBody {
  name: string;
  enabled: boolean;
  all_hosts: boolean;
  group_ids: string[];
  host_ids: string[];
  what: Policy["what"];
  exclude: { package: string; reason: string }[];
  reboot: Policy["reboot"];
  rollout: Rollout | null;
}

/** One page of a list. */
export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
  total: number;
}

export type Me = Schemas["Me"];

/** What the live stream says (first `hello`, then the rest in any order). */
export type LiveMessage =
  | { type: "hello"; revision: number }
  | { type: "delta"; revision: number; totals: FleetTotals; hosts: HostRow[]; removed: string[] }
  | { type: "seen"; items: Record<string, string>; next?: Record<string, string> }
  | { type: "jobs"; items: LiveJob[] }
  | { type: "deployments"; items: LiveDeployment[] }
  | { type: "resync" }
  | { type: "ping" };

export interface LiveJob {
  id: string;
  deployment_id: string | null;
  host_id: string;
  state: JobState;
  progress: number;
  message: string;
}

/** A deployment as its rows in lists, as far as the stream tells it; totals are of the hosts in sight. */
export type LiveDeployment = Pick<Deployment, "id" | "state" | "totals"> &
  Partial<Pick<Deployment, "rings" | "stopped_at" | "stop_reason" | "finished_at" | "rollout">>;
