/** What is set up for everybody, and what one sets up for oneself: so far, who is told of what. */

import { useIsAdmin, useMe } from "@/api/queries";
import { Channels } from "@/modules/notifications/Channels";
import { Deliveries } from "@/modules/notifications/Deliveries";
import { Rules } from "@/modules/notifications/Rules";
import { useTitle } from "@/modules/shell/title";

export default function Settings() {
  const me = useMe();
  const admin = useIsAdmin();
  useTitle("Settings");
  return (
    <div className="page" aria-busy={me === undefined}>
      {admin && <Channels />}
      <Rules />
      <Deliveries />
    </div>
  );
}
