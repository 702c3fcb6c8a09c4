/** Page-wide keys. Typing into a field, or a key with a modifier, is never a shortcut (except where named `mod+`). */
import { useEffect, useRef } from "react";

export type KeyMap = Record<string, (event: KeyboardEvent) => void>;

/** Whether the event goes to something that wants the characters itself. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.tagName === "TEXTAREA" || target.tagName === "SELECT") return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type);
}

/** Whether a dialog is open, which then owns the keyboard. */
function dialogOpen(): boolean {
  return document.querySelector('[role="dialog"][aria-modal="true"]') !== null;
}

/** Bind keys while mounted: `j`, `?`, `Escape`, `mod+k` (Ctrl or ⌘). */
export function useKeys(map: KeyMap): void {
  const latest = useRef(map);
  latest.current = map;
  useEffect(() => {
    // A dialog closes itself on Escape before the event gets here; whether it was open is asked on the way down.
    let blocked = false;
    const before = () => {
      blocked = dialogOpen();
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const modified = event.ctrlKey || event.metaKey;
      if (modified) {
        latest.current[`mod+${event.key.toLowerCase()}`]?.(event);
        return;
      }
      if (event.altKey || isTyping(event.target) || blocked) return;
      latest.current[event.key]?.(event);
    };
    window.addEventListener("keydown", before, { capture: true });
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", before, { capture: true });
      window.removeEventListener("keydown", pressed);
    };
  }, []);
}
