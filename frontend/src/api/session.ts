/**
 * The sign-in of this tab. The access token lives in memory only; the refresh cookie is HttpOnly and rotates, so tabs
 * take turns at refreshing (Web Locks): using one cookie twice would revoke the whole session.
 */
import { OfflineError, type ProblemError, problemOf } from "@/api/problem";
import { Value } from "@/lib/store";

export type SessionState =
  | { phase: "starting" }
  | { phase: "offline" }
  | { phase: "signed-out"; reason: string | null }
  | { phase: "signed-in" };

interface Tokens {
  access_token: string;
  expires_in: number;
}

export const BASE = "/api/v1";
const REFRESH_BEFORE = 60_000;
const RETRY_OFFLINE = 3_000;
const RENEWING = "patch-manager.renewing"; // since when a renewal is under way
const ANSWERED_WITHIN = 1_500;
const HINT = "patch-manager.signed-in"; // not a secret: decides only whether the first paint is the shell or the form

export class Session {
  readonly state = new Value<SessionState>({ phase: "starting" });
  /** Moves when a new access token is in hand, so that the live stream can renew itself. */
  readonly token = new Value<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refreshing: Promise<boolean> | null = null;
  readonly #channel = new BroadcastChannel("patch-manager.session");

  constructor() {
    this.#channel.onmessage = (event: MessageEvent<string>) => {
      if (event.data === "signed-out") this.#end("You signed out in another tab.");
      if (event.data === "signed-in" && this.state.get().phase === "signed-out") void this.refresh();
    };
  }

  /** Whether somebody was signed in here before: only a guess for the first paint. */
  static expected(): boolean {
    return localStorage.getItem(HINT) !== null;
  }

  accept(tokens: Tokens): void {
    localStorage.setItem(HINT, "1");
    this.token.set(tokens.access_token);
    if (this.state.get().phase !== "signed-in") this.state.set({ phase: "signed-in" });
    this.#schedule(Math.max(5_000, tokens.expires_in * 1000 - REFRESH_BEFORE));
  }

  /** Tell the other tabs that a person signed in here. */
  announce(): void {
    this.#channel.postMessage("signed-in");
  }

  /** Trade the cookie for a new access token. False: the session is over (or the server is away; it is tried again). */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#locked().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async signOut(): Promise<void> {
    const token = this.token.get();
    this.#end(null);
    this.#channel.postMessage("signed-out");
    await fetch(`${BASE}/auth/logout`, {
      method: "POST",
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    }).catch(() => undefined);
  }

  /** The session ended by itself; the sign-in page says why. */
  expire(reason: string): void {
    this.#end(reason);
  }

  async #locked(): Promise<boolean> {
    const run = () => this.#refreshNow();
    return "locks" in navigator ? await navigator.locks.request("patch-manager.refresh", run) : run();
  }

  async #refreshNow(): Promise<boolean> {
    const known = this.state.get().phase === "signed-in";
    let response: Response;
    await pageBefore();
    try {
      localStorage.setItem(RENEWING, String(Date.now()));
      // Kept alive: a reload must not lose the answer, for the cookie sent is spent once the server has seen it.
      response = await fetch(`${BASE}/auth/refresh`, { method: "POST", keepalive: true });
    } catch {
      return this.#offline(); // or the page is being left: the mark stays
    }
    localStorage.removeItem(RENEWING);
    if (response.ok) {
      this.accept((await response.json()) as Tokens);
      return true;
    }
    if (response.status >= 500 || response.status === 429) return this.#offline();
    const problem = await problemOf(response);
    this.#end(known || Session.expected() ? ended(problem) : null);
    return false;
  }

  #offline(): false {
    if (this.state.get().phase === "starting") this.state.set({ phase: "offline" });
    this.#schedule(RETRY_OFFLINE);
    return false;
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), milliseconds);
  }

  #end(reason: string | null): void {
    clearTimeout(this.#timer);
    localStorage.removeItem(HINT);
    this.token.set(null);
    this.state.set({ phase: "signed-out", reason });
  }
}

/**
 * Wait for the answer to a page that was left while it renewed the session (its mark is still there, though its lock is
 * gone): the answer brings the new cookie, and sending the old one again would end the session.
 */
async function pageBefore(): Promise<void> {
  const left = Number(localStorage.getItem(RENEWING) ?? 0) + ANSWERED_WITHIN - Date.now();
  if (left > 0 && left <= ANSWERED_WITHIN) await new Promise((resolve) => setTimeout(resolve, left));
}

function ended(problem: ProblemError): string {
  return problem.status === 401 || problem.status === 403
    ? "Your session ended. Sign in again to go on where you were."
    : new OfflineError().message;
}
