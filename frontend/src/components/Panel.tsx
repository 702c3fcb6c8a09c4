/** A titled surface. */
import type { ReactNode } from "react";
import classes from "@/components/page.module.css";

interface Props {
  title: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Panel({ title, actions, children }: Props) {
  return (
    <section className={classes.panel}>
      <div className={classes.panelHead}>
        <h2>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
