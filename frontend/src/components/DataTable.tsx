/**
 * The one table: TanStack's columns over virtual rows of a fixed height, so that 25,000 rows cost what 40 do.
 * The caller owns order, selection and the active row; cells may subscribe to live data by themselves.
 */

import { Checkbox } from "@mantine/core";
import {
  type ColumnVisibilityState,
  columnSizingFeature,
  columnVisibilityFeature,
  createColumnHelper,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef } from "react";
import classes from "@/components/DataTable.module.css";

export interface Column<Row> {
  id: string;
  title: string;
  /** Width in px at least; `grow` takes a share of what is left. */
  width: number;
  grow?: number;
  align?: "right";
  sortable?: boolean;
  help?: string;
  cell: (row: Row) => ReactNode;
}

export interface Sort {
  column: string;
  descending: boolean;
}

interface Props<Row extends { id: string }> {
  label: string;
  columns: readonly Column<Row>[];
  rows: Row[];
  visible?: ColumnVisibilityState;
  sort?: Sort;
  onSort?: (column: string) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (row: Row, index: number, range: boolean) => void;
  onSelectAll?: () => void;
  active?: number;
  onActivate?: (index: number) => void;
  onOpen?: (row: Row) => void;
  nothing?: ReactNode;
  /** As high as its rows (up to a limit) instead of filling the page. */
  fit?: boolean;
  rowHeight?: number;
  /** The last rows came into sight: the moment to fetch more. */
  onEnd?: () => void;
}

const features = tableFeatures({ columnVisibilityFeature, columnSizingFeature });
const ALL_VISIBLE: ColumnVisibilityState = {};
const HEADER = 32;
const CHECKBOX = 34;

export function DataTable<Row extends { id: string }>(props: Props<Row>) {
  const { columns, rows, selected, onSelect, sort, active, rowHeight = 32 } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const definitions = useMemo(() => {
    const helper = createColumnHelper<typeof features, Row>();
    return helper.columns(
      columns.map((column) =>
        helper.display({
          id: column.id,
          header: column.title,
          size: column.width,
          cell: (c) => column.cell(c.row.original),
        }),
      ),
    );
  }, [columns]);
  const table = useTable({
    features,
    columns: definitions,
    data: rows,
    getRowId: (row) => row.id,
    state: { columnVisibility: props.visible ?? ALL_VISIBLE },
  });
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);
  const shown = table.getVisibleLeafColumns();
  const template = useMemo(() => {
    const tracks = shown.map((column) => {
      const grow = byId.get(column.id)?.grow;
      return grow === undefined ? `${column.getSize()}px` : `minmax(${column.getSize()}px, ${grow}fr)`;
    });
    return [...(onSelect === undefined ? [] : [`${CHECKBOX}px`]), ...tracks].join(" ");
  }, [shown, byId, onSelect]);
  const minWidth = shown.reduce(
    (sum, column) => sum + column.getSize(),
    onSelect === undefined ? 0 : CHECKBOX,
  );

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollPaddingStart: HEADER,
  });
  useEffect(() => {
    if (active !== undefined && active >= 0) virtual.scrollToIndex(active, { align: "auto" });
  }, [active, virtual]);

  const items = virtual.getVirtualItems();
  const end = (items.at(-1)?.index ?? -1) >= rows.length - 1;
  const { onEnd } = props;
  useEffect(() => {
    if (end) onEnd?.();
  }, [end, onEnd]);

  const model = table.getRowModel().rows;
  const all = selected !== undefined && rows.length > 0 && rows.every((row) => selected.has(row.id));
  const some = !all && selected !== undefined && selected.size > 0;
  const rowId = (index: number) => `${props.label.replaceAll(" ", "-")}-row-${index}`;

  return (
    <div
      ref={scroller}
      className={`${classes.scroll} ${props.fit ? classes.fit : ""}`}
      style={props.fit ? { height: HEADER + Math.max(rows.length * rowHeight, 64) + 3 } : undefined}
    >
      <div
        style={{ minWidth }}
        role="grid"
        tabIndex={0}
        aria-label={props.label}
        aria-rowcount={rows.length + 1}
        aria-multiselectable={onSelect !== undefined}
        aria-activedescendant={active !== undefined && active >= 0 ? rowId(active) : undefined}
      >
        <div className={classes.head} role="rowgroup">
          <div className={classes.row} role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
            {onSelect !== undefined && (
              <div role="columnheader" className={classes.check}>
                <Checkbox
                  size="xs"
                  aria-label="Select all rows"
                  checked={all}
                  indeterminate={some}
                  onChange={() => props.onSelectAll?.()}
                />
              </div>
            )}
            {shown.map(({ id }) => {
              const column = byId.get(id);
              if (column === undefined) return null;
              const sorted = sort?.column === id;
              const direction = sort?.descending ? "descending" : "ascending";
              return (
                <div
                  key={id}
                  role="columnheader"
                  aria-sort={sorted ? direction : undefined}
                  title={column.help}
                  className={`${classes.cell} ${column.align === "right" ? classes.right : ""}`}
                >
                  {column.sortable && props.onSort !== undefined ? (
                    <button type="button" className={classes.sort} onClick={() => props.onSort?.(id)}>
                      {column.title}
                      {sorted && (
                        <span className={classes.arrow} aria-hidden="true">
                          {sort.descending ? "↓" : "↑"}
                        </span>
                      )}
                    </button>
                  ) : (
                    column.title
                  )}
                </div>
              );
            })}
          </div>
        </div>
        <div className={classes.body} role="rowgroup" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = model[item.index];
            if (row === undefined) return null;
            const chosen = selected?.has(row.id) ?? false;
            const look = [
              classes.row,
              chosen ? classes.selected : "",
              item.index === active ? classes.active : "",
            ];
            if (props.onOpen !== undefined) look.push(classes.link);
            return (
              // Keys are handled by the page (j, k, x, Enter); the click is the mouse's way to the same.
              // biome-ignore lint/a11y/useKeyWithClickEvents: see above
              <div
                key={row.id}
                id={rowId(item.index)}
                role="row"
                tabIndex={-1}
                aria-rowindex={item.index + 2}
                aria-selected={onSelect === undefined ? undefined : chosen}
                data-testid={`row-${row.id}`}
                className={look.join(" ")}
                style={{ gridTemplateColumns: template, height: rowHeight, top: item.start }}
                onClick={(event) => {
                  if ((event.target as HTMLElement).closest("a, button, input, label") !== null) return;
                  props.onActivate?.(item.index);
                  props.onOpen?.(row.original);
                }}
              >
                {onSelect !== undefined && (
                  <div role="gridcell" className={classes.check}>
                    <Checkbox
                      size="xs"
                      aria-label="Select row"
                      checked={chosen}
                      onChange={() => undefined}
                      onClick={(event) => onSelect(row.original, item.index, event.shiftKey)}
                    />
                  </div>
                )}
                {row.getVisibleCells().map((cell) => (
                  <div
                    key={cell.id}
                    role="gridcell"
                    className={`${classes.cell} ${byId.get(cell.column.id)?.align === "right" ? classes.right : ""}`}
                  >
                    <table.FlexRender cell={cell} />
                  </div>
                ))}
              </div>
            );
          })}
        </div>
        {rows.length === 0 && <div className={classes.nothing}>{props.nothing ?? "Nothing here."}</div>}
      </div>
    </div>
  );
}
