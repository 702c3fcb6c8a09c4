/** The empty frame: drawn while the session is renewed, in the shape of what follows. */
import { Skeleton } from "@mantine/core";
import { Notice } from "@/components/Notice";
import classes from "@/modules/shell/Shell.module.css";

export function Frame({ offline = false }: { offline?: boolean }) {
  return (
    <div className={classes.frame}>
      <div className={classes.rail}>
        <div className={classes.brand}>
          <img src="/assets/mark.svg" width="20" height="20" alt="" />
          <span className={classes.word}>Patch Manager</span>
        </div>
        {[0, 1, 2, 3, 4].map((key) => (
          <div key={key} className={classes.item}>
            <Skeleton height={14} />
          </div>
        ))}
      </div>
      <main className={classes.main}>
        <div className={classes.bar}>
          <Skeleton height={16} width={160} />
        </div>
        {offline && (
          <Notice tone="danger" title="The patch manager does not answer">
            Patching goes on by itself if only your connection is down. This page tries again every few
            seconds.
          </Notice>
        )}
      </main>
    </div>
  );
}
