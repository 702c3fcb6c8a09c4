/** An empty fleet: what a host needs, in three steps. */
import { Button } from "@mantine/core";
import { useIsAdmin } from "@/api/queries";
import { Empty } from "@/components/Notice";
import classes from "@/modules/hosts/NoHosts.module.css";

const STEPS = [
  {
    text: "Issue a certificate for the machine. On the manager:",
    command: "patch-manager pki issue --host 192.0.2.10 --out ./192.0.2.10",
  },
  {
    text: "Copy the four files to the machine and restart its agent:",
    command: "scp ./192.0.2.10/*.pem root@192.0.2.10:/etc/linux_patch_api/certs/",
  },
  {
    text: "Put the manager's address on the agent's allow-list, then add the host here, or over the API:",
    command: `curl -X POST ${window.location.origin}/api/v1/hosts \\\n  -H "Authorization: Bearer …" --json '{"address": "192.0.2.10"}'`,
  },
];

export function NoHosts({ onAdd }: { onAdd: () => void }) {
  const admin = useIsAdmin();
  return (
    <Empty
      title="No hosts yet"
      actions={
        <>
          <Button onClick={onAdd}>Add a host</Button>
          <Button component="a" href="/api/v1/pki/root.crt" download variant="default">
            Root certificate
          </Button>
        </>
      }
    >
      <p>
        {admin
          ? "Every machine with an agent becomes one host here, polled every five minutes and patched when you say so."
          : "You see the hosts of your groups and those in no group; there are none yet."}
      </p>
      <ol className={classes.steps}>
        {STEPS.map((step) => (
          <li key={step.command}>
            {step.text}
            <pre className={classes.command}>{step.command}</pre>
          </li>
        ))}
      </ol>
    </Empty>
  );
}
