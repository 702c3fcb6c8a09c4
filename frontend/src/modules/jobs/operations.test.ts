import { describe, expect, it } from "vitest";
import { badNames, namesIn } from "@/modules/hosts/ChangePackage";
import { mayAskForRollback, operationWords } from "@/modules/jobs/operations";
import { attempt, job } from "@/test/entities";

function packages(...names: string[]) {
  return names.map((name) => ({
    name,
    result: "pending",
    from_version: null,
    to_version: null,
    reason: null,
  }));
}

describe("operations in words", () => {
  it("names a few packages and counts many", () => {
    expect(operationWords(job("a", { operation: "patchapply", packages: packages("a") }))).toBe("patching");
    expect(operationWords(job("a", { operation: "install", packages: packages("htop", "curl") }))).toBe(
      "installation of htop and curl",
    );
    expect(operationWords(job("a", { operation: "rollback", packages: packages("a", "b", "c") }))).toBe(
      "rollback of 3 packages",
    );
    expect(operationWords(job("a", { operation: "reboot" }))).toBe("reboot");
  });

  it("offers a rollback only for what ended on the agent", () => {
    const done = { state: "succeeded", attempts: [attempt({ agent_job_id: "x" })] } as const;
    expect(mayAskForRollback(job("a", { ...done, attempts: [...done.attempts] }))).toBe(true);
    expect(mayAskForRollback(job("a", { state: "succeeded", attempts: [attempt()] }))).toBe(false);
    expect(
      mayAskForRollback(job("a", { state: "running", attempts: [attempt({ agent_job_id: "x" })] })),
    ).toBe(false);
    expect(
      mayAskForRollback(
        job("a", { operation: "reboot", state: "failed", attempts: [attempt({ agent_job_id: "x" })] }),
      ),
    ).toBe(false);
  });
});

describe("names of packages", () => {
  it("are apart by blanks or commas, each once", () => {
    expect(namesIn(" htop, curl  htop\nlibstdc++6 ")).toEqual(["htop", "curl", "libstdc++6"]);
  });

  it("are refused as agents refuse them", () => {
    expect(badNames(["htop", "-rf", "a;b", "g++"])).toEqual(["-rf", "a;b"]);
  });
});
