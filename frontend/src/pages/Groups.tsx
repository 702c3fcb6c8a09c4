/** Who may touch what: groups of hosts, and the hosts of one group. */

import { Button, Skeleton } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { useGroupsQuery, useIsAdmin } from "@/api/queries";
import { Icon } from "@/components/Icon";
import { Empty, Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { plural } from "@/lib/words";
import { GroupForm } from "@/modules/groups/GroupForm";
import { GroupList } from "@/modules/groups/GroupList";
import { GroupPage } from "@/modules/groups/GroupPage";
import { useTitle } from "@/modules/shell/title";

const ABOVE = { text: "Groups", to: "/groups" };

export default function Groups() {
  const { id } = useParams();
  const admin = useIsAdmin();
  const query = useGroupsQuery();
  const [making, setMaking] = useState(false);
  const group = query.data?.find((each) => each.id === id);
  useTitle(id === undefined ? "Groups" : (group?.name ?? "Group"), id === undefined ? undefined : ABOVE);
  if (query.isError)
    return <Failure error={query.error} doing="read the groups" retry={() => void query.refetch()} />;
  if (query.isPending) {
    return (
      <div className="page" aria-busy="true">
        <Skeleton height={30} />
        <Skeleton height={400} />
      </div>
    );
  }
  if (id !== undefined) {
    if (group !== undefined) {
      return (
        <div className="page full">
          <GroupPage key={group.id} group={group} />
        </div>
      );
    }
    return (
      <Empty
        title="No such group"
        actions={
          <Button component={Link} to="/groups">
            All groups
          </Button>
        }
      />
    );
  }
  const form = making && <GroupForm group={null} onClose={() => setMaking(false)} />;
  if (query.data.length === 0) {
    return (
      <>
        <Empty
          title="No groups yet"
          actions={admin && <Button onClick={() => setMaking(true)}>New group</Button>}
        >
          <p>
            Groups say who may touch which hosts: an operator sees the hosts of their own groups, and those in
            no group. {admin ? "Without any, every operator sees everything." : "An admin makes them."}
          </p>
        </Empty>
        {form}
      </>
    );
  }
  return (
    <div className="page full">
      <div className={page.toolbar}>
        <span>{plural(query.data.length, "group")}</span>
        <div className={page.spacer} />
        {admin && (
          <Button
            variant="default"
            leftSection={<Icon name="plus" size={14} />}
            onClick={() => setMaking(true)}
          >
            New group
          </Button>
        )}
      </div>
      <div className="fill">
        <GroupList groups={query.data} />
      </div>
      {form}
    </div>
  );
}
