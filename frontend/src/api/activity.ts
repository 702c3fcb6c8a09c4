/**
 * Sessions end after an hour without activity, and activity is what a person did (TRUST: identity and sessions):
 * a request is marked only when a key, click or scroll came just before it. Live streams and refreshes never are.
 */

const CAUSED_WITHIN = 5_000;
const HEARTBEAT = 5 * 60_000;

let lastInput = 0;
let lastMarked = 0;

const INPUTS = ["pointerdown", "keydown", "wheel", "touchstart"] as const;

/** Start listening; `heartbeat` is called when somebody is at work without causing requests (reading, scrolling). */
export function watchActivity(heartbeat: () => void): () => void {
  const noticed = () => {
    lastInput = Date.now();
    if (lastInput - lastMarked > HEARTBEAT) {
      lastMarked = lastInput;
      heartbeat();
    }
  };
  for (const name of INPUTS) window.addEventListener(name, noticed, { passive: true, capture: true });
  return () => {
    for (const name of INPUTS) window.removeEventListener(name, noticed, { capture: true });
  };
}

/** Whether a request made now was caused by the user. */
export function causedByUser(): boolean {
  const now = Date.now();
  if (now - lastInput > CAUSED_WITHIN) return false;
  lastMarked = now;
  return true;
}
