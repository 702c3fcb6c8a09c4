import { describe, expect, it } from "vitest";
import { cellAt, cellsIn, cornerOf, labelAt, layOut, step } from "@/modules/map/layout";

function sections(...sizes: number[]) {
  return sizes.map((size, number) => ({
    key: `s${number}`,
    label: `Section ${number}`,
    ids: Array.from({ length: size }, (_, index) => `${number}-${index}`),
  }));
}

describe("the fleet map's layout", () => {
  it("fits 2,500 hosts in eight groups on one screen with cells one can hit", () => {
    const layout = layOut(sections(900, 400, 310, 300, 200, 190, 120, 80), 1180, 420);
    expect(layout.height).toBeLessThanOrEqual(420);
    expect(layout.cell).toBeGreaterThanOrEqual(8);
    expect(layout.ids).toHaveLength(2500);
  });

  it("keeps every section inside the width and apart from the others", () => {
    const layout = layOut(sections(50, 51, 7, 130, 1, 1, 1, 64), 600, 300);
    for (const [index, a] of layout.sections.entries()) {
      expect(a.x + a.width).toBeLessThanOrEqual(600);
      for (const b of layout.sections.slice(index + 1)) {
        const apart =
          a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    }
  });

  it("is the same for the same input, so that nothing moves", () => {
    expect(layOut(sections(30, 70), 500, 200)).toEqual(layOut(sections(30, 70), 500, 200));
  });

  it("uses larger cells for a small fleet, and survives an empty one", () => {
    expect(layOut(sections(12), 1000, 400).pitch).toBe(32);
    expect(layOut([], 1000, 400).ids).toEqual([]);
    expect(layOut(sections(25_000), 300, 100).ids).toHaveLength(25_000);
  });

  it("finds every cell at its own corner", () => {
    const layout = layOut(sections(40, 25, 3), 420, 260);
    layout.ids.forEach((_, position) => {
      const { x, y } = cornerOf(layout, position);
      expect(cellAt(layout, x + 1, y + 1)).toBe(position);
    });
    expect(cellAt(layout, -5, -5)).toBe(-1);
  });

  it("selects what a dragged rectangle touches, whichever way it is dragged", () => {
    const layout = layOut(sections(40), 420, 260);
    const a = cornerOf(layout, 0);
    const b = cornerOf(layout, 2);
    const chosen = cellsIn(layout, b.x + 1, b.y + 1, a.x + 1, a.y + 1);
    expect(chosen).toEqual(["0-0", "0-1", "0-2"]);
  });

  it("knows the section under a label", () => {
    const layout = layOut(sections(40), 420, 260);
    expect(labelAt(layout, 3, 5)?.key).toBe("s0");
    expect(labelAt(layout, 3, 60)).toBeUndefined();
  });

  it("moves by keys along rows, across sections and never off the map", () => {
    const layout = layOut(sections(40, 25), 420, 260);
    const [first, second] = layout.sections;
    expect(step(layout, 0, "ArrowLeft")).toBe(0);
    expect(step(layout, 0, "ArrowRight")).toBe(1);
    expect(step(layout, 0, "ArrowDown")).toBe(first?.columns);
    expect(step(layout, 0, "PageDown")).toBe(second?.first);
    expect(step(layout, 39, "ArrowRight")).toBe(40);
    expect(step(layout, 64, "ArrowDown")).toBe(64);
    expect(step(layout, 50, "Home")).toBe(40);
    expect(step(layout, 41, "End")).toBe(64);
  });
});
