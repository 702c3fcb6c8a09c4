/** What happened, to what, and what to do; and the pages that have nothing to show yet. */

import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { messageOf, ProblemError } from "@/api/problem";
import type { Tone } from "@/components/Mark";
import classes from "@/components/Notice.module.css";
import { sentence } from "@/lib/words";

interface NoticeProps {
  tone: Tone;
  title: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
}

export function Notice({ tone, title, children, action }: NoticeProps) {
  return (
    <div className={`${classes.notice} ${classes[tone] ?? ""}`} role={tone === "danger" ? "alert" : "status"}>
      <div className={classes.body}>
        <div className={classes.title}>{title}</div>
        {children !== undefined && <div>{children}</div>}
      </div>
      {action}
    </div>
  );
}

/** An error of a request with a way to try again. */
export function Failure({ error, doing, retry }: { error: unknown; doing: string; retry?: () => void }) {
  const id = error instanceof ProblemError ? error.problem.request_id : null;
  return (
    <Notice
      tone="danger"
      title={`Could not ${doing}`}
      action={
        retry !== undefined && (
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        )
      }
    >
      {sentence(messageOf(error))}
      {id !== null && id !== undefined && <span className="muted"> (request {id})</span>}
    </Notice>
  );
}

/** A page or panel without content, and what fills it. */
export function Empty({
  title,
  children,
  actions,
}: {
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <section className={classes.empty}>
      <h2>{title}</h2>
      {children}
      {actions !== undefined && <div className={classes.actions}>{actions}</div>}
    </section>
  );
}
