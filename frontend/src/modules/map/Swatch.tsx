/** A look of the map as a small picture for legends, the same shapes as on the canvas. */
import type { Look } from "@/modules/map/looks";

export function Swatch({ look }: { look: Look }) {
  const colour = `var(--pm-${look.token})`;
  return (
    <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
      {picture(look.shape, colour)}
    </svg>
  );
}

function picture(shape: Look["shape"], colour: string) {
  switch (shape) {
    case "solid":
      return <rect width="12" height="12" fill={colour} />;
    case "empty":
      return <rect width="12" height="12" fill={colour} opacity="0.25" />;
    case "dashed":
      return (
        <rect x="0.5" y="0.5" width="11" height="11" fill="none" stroke={colour} strokeDasharray="2 2" />
      );
    case "fill":
      return (
        <>
          <rect x="0.75" y="0.75" width="10.5" height="10.5" fill="none" stroke={colour} strokeWidth="1.5" />
          <rect x="1" y="6" width="10" height="5" fill={colour} />
        </>
      );
    case "dot":
      return (
        <>
          <rect width="12" height="12" fill={colour} />
          <rect x="4.5" y="4.5" width="3" height="3" fill="var(--pm-surface)" />
        </>
      );
    case "triangle":
      return <path d="M6 0 12 12H0z" fill={colour} />;
    case "cross":
      return (
        <>
          <rect width="12" height="12" fill={colour} />
          <path d="M3.4 3.4l5.2 5.200M8.6 3.4 3.4 8.6" stroke="var(--pm-surface)" strokeWidth="1.5" />
        </>
      );
  }
}
