/** Short messages after an action. Failures stay until dismissed; the rest leave by themselves. */

import { CloseButton } from "@mantine/core";
import { createContext, type ReactNode, use, useSyncExternalStore } from "react";
import type { Tone } from "@/components/Mark";
import { Shape } from "@/components/Mark";
import classes from "@/components/toasts.module.css";
import { Value } from "@/lib/store";

interface Toast {
  id: number;
  tone: Tone;
  text: ReactNode;
}

const STAYS = 6_000;

export class Toasts {
  readonly list = new Value<readonly Toast[]>([]);
  #next = 1;

  show(tone: Tone, text: ReactNode): void {
    const toast = { id: this.#next++, tone, text };
    this.list.set([...this.list.get().slice(-3), toast]);
    if (tone !== "danger") setTimeout(() => this.dismiss(toast.id), STAYS);
  }

  dismiss(id: number): void {
    this.list.set(this.list.get().filter((toast) => toast.id !== id));
  }
}

export const ToastContext = createContext<Toasts | null>(null);

export function useToasts(): Toasts {
  const toasts = use(ToastContext);
  if (toasts === null) throw new Error("useToasts outside of ToastContext");
  return toasts;
}

export function ToastList() {
  const toasts = useToasts();
  const list = useSyncExternalStore(toasts.list.subscribe, toasts.list.get);
  return (
    <div className={classes.list} role="status" aria-live="polite">
      {list.map((toast) => (
        <div key={toast.id} className={classes.toast}>
          <Shape tone={toast.tone} />
          <div className={classes.text}>{toast.text}</div>
          <CloseButton size="sm" aria-label="Dismiss" onClick={() => toasts.dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}
