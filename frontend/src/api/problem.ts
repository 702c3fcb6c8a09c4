/** Errors of the API as the pages show them: what happened, to what, and what to do (RFC 9457). */
import type { Problem } from "@/api/types";

export class ProblemError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ProblemError";
    this.status = problem.status;
    this.problem = problem;
  }

  /** The message for one field of a refused body, if the server named it. */
  field(name: string): string | undefined {
    const found = this.problem.errors?.find((error) => {
      const pointer = error.pointer ?? error.field ?? error.loc ?? "";
      return pointer.split(/[./]/).includes(name);
    });
    return found === undefined ? undefined : (found.detail ?? found.message ?? found.msg);
  }
}

/** The server could not be reached at all. */
export class OfflineError extends Error {
  constructor() {
    super("The patch manager does not answer. Check your network; this page keeps trying.");
    this.name = "OfflineError";
  }
}

/** Read a problem document; an answer that is none (a proxy's HTML) becomes one. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const fallback: Problem = {
    type: "about:blank",
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    detail: `The server answered ${response.status} without saying why.`,
    instance: null,
    request_id: null,
    errors: [],
  };
  if (!(response.headers.get("content-type") ?? "").includes("json")) return new ProblemError(fallback);
  try {
    const body = (await response.json()) as Partial<Problem>;
    return new ProblemError({ ...fallback, detail: "", ...body, status: response.status });
  } catch {
    return new ProblemError(fallback);
  }
}

/** A sentence for any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
