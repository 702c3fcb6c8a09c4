/** What is patched without anybody's hand: all policies, one of them, or a new one. */

import { Button, Skeleton } from "@mantine/core";
import { Link, useNavigate, useParams } from "react-router";
import { ProblemError } from "@/api/problem";
import { Icon } from "@/components/Icon";
import { Empty, Failure } from "@/components/Notice";
import page from "@/components/page.module.css";
import { useParam } from "@/lib/url";
import { plural } from "@/lib/words";
import { DeployTabs } from "@/modules/policies/DeployTabs";
import { PolicyEditor } from "@/modules/policies/PolicyEditor";
import { PolicyList } from "@/modules/policies/PolicyList";
import { PolicyStatus } from "@/modules/policies/PolicyStatus";
import { usePolicies, usePolicy } from "@/modules/policies/queries";
import { useTitle } from "@/modules/shell/title";

const ALL = "/deploy/policies";
const ABOVE = { text: "Standing policies", to: ALL };

export default function Policies({ making = false }: { making?: boolean }) {
  const { id } = useParams();
  if (making) return <New />;
  return id === undefined ? <All /> : <One key={id} id={id} />;
}

function All() {
  useTitle("Standing policies", { text: "Deploy", to: "/deploy" });
  const query = usePolicies();
  const make = (
    <Button component={Link} to={`${ALL}/new`} leftSection={<Icon name="plus" size={14} />}>
      New policy
    </Button>
  );
  return (
    <div className="page full">
      <DeployTabs />
      {query.isError && query.data === undefined ? (
        <Failure error={query.error} doing="read the policies" retry={() => void query.refetch()} />
      ) : query.isPending ? (
        <Skeleton className="fill" />
      ) : query.data.length === 0 ? (
        <Empty title="Nothing is patched by itself yet" actions={make}>
          <p>
            A standing policy says what its hosts get in every one of their maintenance windows: security
            patches, or all, with or without reboots. It starts when a window opens, follows every job, and
            tries again in the next window what failed.
          </p>
          <p>Most fleets begin with one: security patches for every group, without reboots.</p>
        </Empty>
      ) : (
        <>
          <div className={page.toolbar}>
            <span role="status">{plural(query.data.length, "policy", "policies")}</span>
            <div className={page.spacer} />
            {make}
          </div>
          <div className="fill">
            <PolicyList policies={query.data} />
          </div>
        </>
      )}
    </div>
  );
}

function New() {
  useTitle("New policy", ABOVE);
  const navigate = useNavigate();
  return (
    <div className="page">
      <PolicyEditor
        policy={null}
        onSaved={(saved) => void navigate(`${ALL}/${saved.id}`)}
        onCancel={() => void navigate(ALL)}
      />
    </div>
  );
}

function One({ id }: { id: string }) {
  const navigate = useNavigate();
  const query = usePolicy(id);
  const [editing, setEditing] = useParam("edit");
  useTitle(query.data?.name ?? "Policy", ABOVE);
  if (query.isError && query.error instanceof ProblemError && query.error.status === 404) {
    return (
      <Empty
        title="No such policy"
        actions={
          <Button component={Link} to={ALL}>
            All policies
          </Button>
        }
      >
        <p>It was deleted, or names hosts out of your sight.</p>
      </Empty>
    );
  }
  if (query.isError && query.data === undefined)
    return <Failure error={query.error} doing="read the policy" retry={() => void query.refetch()} />;
  if (query.data === undefined) {
    return (
      <div className="page" aria-busy="true">
        <Skeleton height={30} />
        <Skeleton height={320} />
      </div>
    );
  }
  return (
    <div className="page">
      {editing === "1" && query.data.editable ? (
        <PolicyEditor policy={query.data} onSaved={() => setEditing("")} onCancel={() => setEditing("")} />
      ) : (
        <PolicyStatus
          policy={query.data}
          onEdit={() => setEditing("1")}
          onDeleted={() => void navigate(ALL, { replace: true })}
        />
      )}
    </div>
  );
}
