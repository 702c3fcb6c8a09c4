/** Numbers and lists in words, the same everywhere. */

/** Orders names as people count: `web-9` before `web-10`. One collator: making them is what costs. */
export const naturally = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const numbers = new Intl.NumberFormat("en");

/** `2500` → `2,500`. */
export function count(value: number): string {
  return numbers.format(value);
}

/** `count(1, "host")` → `1 host`, `count(3, "host")` → `3 hosts`; `many` for words that do not take an s. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `["a", "b", "c"]` → `a, b and c`. */
export function listed(parts: readonly string[]): string {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

/** First letter large; the rest untouched. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `outcome_unknown` → `outcome unknown`. */
export function spaced(word: string): string {
  return word.replaceAll("_", " ");
}
