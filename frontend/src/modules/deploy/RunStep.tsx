/** Step three: when and how. */
import { Radio } from "@mantine/core";
import { Panel } from "@/components/Panel";
import classes from "@/modules/deploy/Deploy.module.css";
import type { Reboot } from "@/modules/deploy/plan";

export function RunStep({ reboot, onReboot }: { reboot: Reboot; onReboot: (reboot: Reboot) => void }) {
  return (
    <Panel
      title={
        <>
          <span className={classes.number}>3</span>When and how: now,{" "}
          {reboot === "never" ? "without reboots" : "with reboots where required"}
        </>
      }
    >
      <div className={classes.body}>
        <p className="muted">
          Jobs start as soon as you confirm, many hosts at once; one that fails is tried once more.
        </p>
        <Radio.Group value={reboot} onChange={(value) => onReboot(value as Reboot)} aria-label="Reboots">
          <div className={classes.choices}>
            <Radio
              value="never"
              label="Never reboot"
              description="Hosts that need one are marked, and wait."
            />
            <Radio
              value="if_required"
              label="Reboot if required"
              description="Only hosts that ask for it, after their patches are in; each is followed until it is back."
            />
          </div>
        </Radio.Group>
      </div>
    </Panel>
  );
}
