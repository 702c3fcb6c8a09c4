/** What must not be patched, and who says so? */
import { DeployTabs } from "@/modules/policies/DeployTabs";
import { ExclusionList } from "@/modules/policies/ExclusionList";
import { useTitle } from "@/modules/shell/title";

export default function Exclusions() {
  useTitle("Exclusions", { text: "Deploy", to: "/deploy" });
  return (
    <div className="page full">
      <DeployTabs />
      <ExclusionList />
    </div>
  );
}
