/** The smallest external store React can subscribe to; live data and the session live outside of components. */

export type Listener = () => void;

/** A set of listeners with the subscribe function that `useSyncExternalStore` wants. */
export class Emitter {
  readonly #listeners = new Set<Listener>();

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  emit(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** A value that can be read, replaced and watched. */
export class Value<T> {
  #value: T;
  readonly #emitter = new Emitter();
  readonly subscribe = this.#emitter.subscribe;

  constructor(initial: T) {
    this.#value = initial;
  }

  get = (): T => this.#value;

  set(next: T): void {
    if (Object.is(next, this.#value)) return;
    this.#value = next;
    this.#emitter.emit();
  }
}
