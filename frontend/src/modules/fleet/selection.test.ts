import { describe, expect, it } from "vitest";
import { fromFragment, toFragment } from "@/modules/fleet/selection";

const IDS = ["1a2b3c4d-0000", "1a2b3c4e-0000", "9f8e7d6c-0000"];

describe("selections in links", () => {
  it("use the shortest prefixes that are unique in the fleet", () => {
    expect(toFragment(["1a2b3c4e-0000"], IDS)).toBe("#hosts=1a2b3c4e");
    expect(toFragment(["1a2b3c4d-0000"], ["1a2b3c4d-0000", "9f8e7d6c-0000"])).toBe("#hosts=1a2b3c");
    expect(toFragment([], IDS)).toBe("");
  });

  it("come back as the same hosts", () => {
    expect(fromFragment(toFragment(IDS.slice(1), IDS), IDS)).toEqual(IDS.slice(1));
  });

  it("name nobody who is gone or was not meant alone", () => {
    expect(fromFragment("#hosts=1a2b3c.ffffff.9f8e7d", IDS)).toEqual(["9f8e7d6c-0000"]);
    expect(fromFragment("#content", IDS)).toEqual([]);
    expect(fromFragment("#hosts=1", IDS)).toEqual([]);
  });
});
