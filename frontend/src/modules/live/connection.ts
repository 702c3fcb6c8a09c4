/**
 * The live stream: open the socket, at its hello fetch the fleet, replay what came meanwhile (mitmproxy and coder do the
 * same). Where no hello comes soon, the fleet is fetched anyway: a page without live changes is better than none.
 */
import type { Api } from "@/api/http";
import { ProblemError } from "@/api/problem";
import { BASE } from "@/api/session";
import type { Fleet, LiveDeployment, LiveJob, LiveMessage } from "@/api/types";
import { Value } from "@/lib/store";
import type { FleetStore } from "@/modules/fleet/store";
import { reconnectDelay } from "@/modules/live/backoff";

export interface LiveState {
  phase: "connecting" | "live" | "reconnecting";
  /** Browser time of the last message, in ms since the epoch. */
  heardAt: number | null;
}

export interface LiveHandlers {
  jobs(items: LiveJob[]): void;
  deployments(items: LiveDeployment[]): void;
  /** Messages may have been missed: whatever was fetched before is suspect. */
  gap(): void;
}

/** The server pings more often than this; silence means a dead connection that TCP has not noticed. */
const SILENCE = 60_000;
const HELLO_WITHIN = 500;
const UNAUTHORISED = 4401;

export class LiveConnection {
  readonly state = new Value<LiveState>({ phase: "connecting", heardAt: null });
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #impatience: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #fetching = false;
  #stopped = true;
  #sockets = 0;
  #unwatch: (() => void) | null = null;

  constructor(
    readonly api: Api,
    readonly fleet: FleetStore,
    readonly handlers: LiveHandlers,
  ) {}

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#unwatch = this.api.session.token.subscribe(() => this.#authenticate());
    this.#open();
    this.#impatience = setTimeout(() => void this.#fetch(), HELLO_WITHIN);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unwatch?.();
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    clearTimeout(this.#impatience);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.fleet.reset();
    this.state.set({ phase: "connecting", heardAt: null });
  }

  /** Try now instead of waiting (the network came back, the person asked). */
  hurry(): void {
    if (this.#stopped || this.state.get().phase === "live") return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    if (this.#socket === null) this.#open();
  }

  #open(): void {
    const url = new URL(`${BASE}/live`, window.location.href);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#sockets += 1;
    this.#listenForSilence();
    socket.onopen = () => this.#authenticate();
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.#socket === socket) this.#heard(JSON.parse(event.data) as LiveMessage);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
  }

  #authenticate(): void {
    const token = this.api.session.token.get();
    if (token !== null && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: "auth", token, snapshot: false }));
    }
  }

  #heard(message: LiveMessage): void {
    this.#listenForSilence();
    this.#attempt = 0;
    this.state.set({ phase: "live", heardAt: Date.now() });
    switch (message.type) {
      case "hello":
        clearTimeout(this.#impatience);
        // After any earlier socket the server may be another process, whose revisions start anew: trust nothing.
        if (this.#sockets > 1) this.fleet.disconnected();
        this.fleet.message(message);
        if (this.#sockets > 1) this.handlers.gap();
        if (this.fleet.stale) void this.#fetch();
        break;
      case "resync":
        this.fleet.message(message);
        this.handlers.gap();
        void this.#fetch();
        break;
      case "delta":
      case "seen":
        this.fleet.message(message);
        break;
      case "jobs":
        this.handlers.jobs(message.items);
        break;
      case "deployments":
        this.handlers.deployments(message.items);
        break;
      case "ping":
        break;
    }
  }

  #closed(code: number): void {
    clearTimeout(this.#silence);
    this.#socket = null;
    if (this.#stopped) return;
    this.fleet.disconnected();
    this.state.set({ phase: "reconnecting", heardAt: this.state.get().heardAt });
    const again = () => {
      if (!this.#stopped && this.#socket === null) this.#open();
    };
    this.#retry = setTimeout(
      () => {
        // A refused token is renewed first; when that fails the session ends and the page stops this connection.
        if (code === UNAUTHORISED) void this.api.session.refresh().then((renewed) => renewed && again());
        else again();
      },
      reconnectDelay(this.#attempt++),
    );
  }

  #listenForSilence(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const socket = this.#socket;
      this.#closed(0);
      socket?.close();
    }, SILENCE);
  }

  async #fetch(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      for (let attempt = 0; !this.#stopped; attempt++) {
        try {
          const fleet = await this.api.get<Fleet>("fleet", { background: true });
          if (this.#stopped) return;
          this.fleet.snapshot(fleet);
          if (!this.fleet.stale) return;
        } catch (error) {
          if (error instanceof ProblemError && error.status === 401) return;
        }
        await new Promise((resolve) => setTimeout(resolve, reconnectDelay(attempt)));
      }
    } finally {
      this.#fetching = false;
    }
  }
}
