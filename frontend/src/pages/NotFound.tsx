/** Addresses without a page, and pages that broke. */
import { Button } from "@mantine/core";
import { Link, useRouteError } from "react-router";
import { messageOf } from "@/api/problem";
import { Empty } from "@/components/Notice";
import { useTitle } from "@/modules/shell/title";

export function NotFound() {
  useTitle("Not found");
  return (
    <Empty
      title="There is no such page"
      actions={
        <Button component={Link} to="/">
          Go to the dashboard
        </Button>
      }
    >
      <p>The address may be from another version, or what it named was removed.</p>
    </Empty>
  );
}

export function PageError() {
  useTitle("Something broke");
  const error = useRouteError();
  return (
    <Empty
      title="This page stopped working"
      actions={<Button onClick={() => window.location.reload()}>Load it again</Button>}
    >
      <p>
        The patch manager goes on working; only this page has a fault. After an upgrade of the server, loading
        it again is all it takes.
      </p>
      <p className="mono muted">{messageOf(error)}</p>
    </Empty>
  );
}
