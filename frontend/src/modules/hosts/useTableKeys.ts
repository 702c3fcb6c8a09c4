/** Keys of a table with selectable rows: j and k move, x selects, Shift extends, Enter opens, Escape clears. */
import { useCallback, useRef, useState } from "react";
import { useKeys } from "@/lib/keyboard";
import type { Selection } from "@/modules/fleet/selection";

interface Wanted {
  rows: readonly { id: string }[];
  selection: Selection;
  onOpen: (id: string) => void;
}

const FREE = new Set(["BODY", "MAIN", "DIV"]);

export function useTableKeys({ rows, selection, onOpen }: Wanted) {
  const [active, setActive] = useState(-1);
  const anchor = useRef(-1);
  const move = (by: number) => setActive((now) => Math.max(0, Math.min(rows.length - 1, now + by)));
  const key = (work: (id: string) => void) => (event: KeyboardEvent) => {
    const id = rows[active]?.id;
    if (id === undefined || !FREE.has((event.target as HTMLElement).tagName)) return;
    event.preventDefault();
    work(id);
  };
  const arrow = (by: number) => (event: KeyboardEvent) => {
    if (!FREE.has((event.target as HTMLElement).tagName)) return;
    event.preventDefault();
    move(by);
  };
  const toggle = key((id) => {
    selection.toggle(id);
    anchor.current = active;
  });
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: arrow(1),
    ArrowUp: arrow(-1),
    Home: arrow(-Number.MAX_SAFE_INTEGER),
    End: arrow(Number.MAX_SAFE_INTEGER),
    x: toggle,
    X: toggle,
    " ": toggle,
    Enter: key(onOpen),
    Escape: () => selection.clear(),
  });

  /** A click on a row's checkbox; with Shift everything from the last one on. */
  const select = useCallback(
    (row: { id: string }, index: number, range: boolean) => {
      if (range && anchor.current >= 0) {
        const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
        selection.add(rows.slice(from, to + 1).map((each) => each.id));
      } else selection.toggle(row.id);
      anchor.current = index;
      setActive(index);
    },
    [rows, selection],
  );

  const selectAll = useCallback(() => {
    const chosen = selection.get();
    if (rows.length > 0 && rows.every((row) => chosen.has(row.id))) selection.clear();
    else selection.set(new Set(rows.map((row) => row.id)));
  }, [rows, selection]);

  return { active, setActive, select, selectAll };
}
