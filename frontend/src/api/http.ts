/** One function that talks to the API: token, activity mark, one silent renewal, problems as errors. */
import { causedByUser } from "@/api/activity";
import { OfflineError, problemOf } from "@/api/problem";
import { BASE, type Session } from "@/api/session";
import type { Page } from "@/api/types";
import { learnServerTime } from "@/lib/time";

const PAGE = 1000;

export interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Sign-in calls carry no token and are not renewed. */
  anonymous?: boolean;
  /** Background work never counts as activity, whatever the user just did. */
  background?: boolean;
}

export class Api {
  constructor(readonly session: Session) {}

  get<T>(path: string, options: Options = {}): Promise<T> {
    return this.send<T>("GET", path, options);
  }

  post<T>(path: string, body?: unknown, options: Options = {}): Promise<T> {
    return this.send<T>("POST", path, { ...options, body });
  }

  /** Every item of a list, page by page, at most `most`. */
  async all<T>(path: string, options: Options = {}, most = 25_000): Promise<T[]> {
    const found: T[] = [];
    const joint = path.includes("?") ? "&" : "?";
    let cursor: string | null = null;
    do {
      const after: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page<T> = await this.get<Page<T>>(`${path}${joint}limit=${PAGE}${after}`, options);
      found.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null && found.length < most);
    return found;
  }

  /** Raises ProblemError for a refused request and OfflineError when nobody answers. */
  async send<T>(method: string, path: string, options: Options = {}): Promise<T> {
    const active = options.background !== true && causedByUser();
    let response = await this.#once(method, path, options, active);
    if (response.status === 401 && options.anonymous !== true && (await this.session.refresh())) {
      response = await this.#once(method, path, options, active);
    }
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return undefined as T;
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  async #once(method: string, path: string, options: Options, active: boolean): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    const token = this.session.token.get();
    if (token !== null && options.anonymous !== true) headers.authorization = `Bearer ${token}`;
    if (active) headers["x-user-activity"] = "1";
    if (options.body !== undefined) headers["content-type"] = "application/json";
    try {
      const response = await fetch(`${BASE}/${path}`, {
        method,
        headers,
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal ?? null,
      });
      learnServerTime(response.headers.get("date"));
      return response;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new OfflineError();
    }
  }
}
