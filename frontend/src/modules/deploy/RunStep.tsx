/** Step three: when and how. */
import { Radio } from "@mantine/core";
import type { DeploymentPreview } from "@/api/types";
import { Panel } from "@/components/Panel";
import classes from "@/modules/deploy/Deploy.module.css";
import { OutlookNotices } from "@/modules/deploy/OutlookNotices";
import type { Outlook } from "@/modules/deploy/outlook";
import type { Reboot, When } from "@/modules/deploy/plan";
import { RolloutFields } from "@/modules/deploy/RolloutFields";
import { type RolloutDraft, rolloutWords } from "@/modules/deploy/rollout";

interface Props {
  when: When;
  onWhen: (when: When) => void;
  reboot: Reboot;
  onReboot: (reboot: Reboot) => void;
  rollout: RolloutDraft;
  onRollout: (rollout: RolloutDraft) => void;
  rings: DeploymentPreview["rings"];
  problem: (pointer: string) => string | undefined;
  outlook: Outlook | undefined;
  override: boolean;
  onOverride: (override: boolean) => void;
  onLeaveOut: (ids: readonly string[]) => void;
}

export function RunStep(props: Props) {
  const { when, reboot, rollout } = props;
  return (
    <Panel
      title={
        <>
          <span className={classes.number}>3</span>When and how:{" "}
          {when === "now" ? "now" : "in each host's window"}, {rolloutWords(rollout)},{" "}
          {reboot === "never" ? "without reboots" : "with reboots where required"}
        </>
      }
    >
      <div className={classes.body}>
        <Radio.Group value={when} onChange={(value) => props.onWhen(value as When)} aria-label="When">
          <div className={classes.choices}>
            <Radio
              value="window"
              label="In each host's maintenance window"
              description="Each job waits for the next window of its host, and starts nothing after it closed."
            />
            <Radio
              value="now"
              label="Now"
              description="As soon as you confirm, whatever the windows say; freezes hold all the same."
            />
          </div>
        </Radio.Group>
        <OutlookNotices
          outlook={props.outlook}
          when={when}
          override={props.override}
          onOverride={props.onOverride}
          onLeaveOut={props.onLeaveOut}
        />
        <hr className={classes.rule} />
        <Radio.Group
          value={reboot}
          onChange={(value) => props.onReboot(value as Reboot)}
          aria-label="Reboots"
        >
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
        <hr className={classes.rule} />
        <RolloutFields
          draft={rollout}
          onChange={props.onRollout}
          rings={props.rings}
          problem={props.problem}
          reboots={reboot !== "never"}
        />
      </div>
    </Panel>
  );
}
