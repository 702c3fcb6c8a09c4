/** One ticking clock for all relative times, however many are on screen. */
import { useSyncExternalStore } from "react";
import { Emitter } from "@/lib/store";
import { now } from "@/lib/time";

class Ticker {
  #time = now();
  #timer: ReturnType<typeof setInterval> | undefined;
  #watchers = 0;
  readonly #emitter = new Emitter();

  constructor(readonly interval: number) {}

  subscribe = (listener: () => void): (() => void) => {
    const stop = this.#emitter.subscribe(listener);
    if (this.#watchers++ === 0) {
      this.#time = now();
      this.#timer = setInterval(() => {
        this.#time = now();
        this.#emitter.emit();
      }, this.interval);
    }
    return () => {
      stop();
      if (--this.#watchers === 0) clearInterval(this.#timer);
    };
  };

  get = (): number => this.#time;
}

const seconds = new Ticker(1_000);
const minutes = new Ticker(15_000);

/** The server's time, moving every second (`fine`) or every 15 s. */
export function useNow(fine = false): number {
  const ticker = fine ? seconds : minutes;
  return useSyncExternalStore(ticker.subscribe, ticker.get);
}
