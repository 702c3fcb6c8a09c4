/** Delay before try `attempt` (0 is the first): doubling from half a second to 20 s, jittered by half against stampedes. */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(20_000, 500 * 2 ** Math.min(attempt, 10));
  return ceiling * (0.5 + 0.5 * random());
}
