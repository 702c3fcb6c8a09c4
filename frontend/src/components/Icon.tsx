/** The few line icons the pages use, drawn on a 16 px grid; always beside a word or under a label. */

const PATHS = {
  dashboard: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  hosts: "M2.5 2.5h11v4h-11zM2.5 9.5h11v4h-11zM5 4.5h.01M5 11.5h.01",
  deploy: "M8 2v8M4.5 6.5 8 10l3.5-3.5M2.5 13.5h11",
  jobs: "M2 8h3l2-5 3 10 2-5h2",
  windows: "M2.500 3.500h11v10h-11zM2.500 6.500h11M5.500 2v3M10.5 2v3M8 8.300v2.200l1.600 1",
  previous: "M10 4 6 8l4 4",
  snow: "M8 1.500v13M2.400 4.700l11.200 6.600M13.600 4.700 2.400 11.300M6.300 2.700 8 4.300l1.700-1.600M6.300 13.300 8 11.700l1.700 1.600",
  copy: "M5.500 5.500h8v8h-8zM3.500 10.500h-1v-8h8v1",
  groups: "M2.5 5.5 8 2.5l5.5 3L8 8.5zM2.5 8.5 8 11.5l5.5-3M2.5 11 8 14l5.5-3",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10ZM10.7 10.7 14 14",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 2v3h-3",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z",
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  user: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c.6-2.8 2.8-4.2 5.5-4.2s4.9 1.4 5.5 4.2",
  close: "M4 4l8 8M12 4l-8 8",
  plus: "M8 3v10M3 8h10",
  check: "M3 8.5 6.5 12 13 4.5",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  chevron: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  arrow: "M3 8h10M9 4l4 4-4 4",
  external: "M6 3H3v10h10v-3M9 2.500h4.500V7M13.5 2.5 7.5 8.5",
  certificate: "M3 2.500h10v7H3zM6 9.500V14l2-1.500L10 14V9.5",
  trash: "M3 4.500h10M6.5 4.500v-2h3v2M4.5 4.500l.5 9h6l.5-9",
  edit: "M3 13l.5-3L11 2.5 13.5 5 6 12.500z",
  keyboard: "M1.5 4h13v8h-13zM4 6.500h.01M6.5 6.500h.01M9 6.500h.01M11.5 6.500h.01M5 9.500h6",
  table: "M2.5 3h11v10h-11zM2.5 6.500h11M2.5 9.700h11M6 6.500V13",
  signout: "M9.5 3H3v10h6.500M7 8h7M11.5 5.5 14 8l-2.5 2.5",
  warning: "M8 2.5 14.5 13.500h-13zM8 6.500v3.500M8 12h.01",
  settings:
    "M2 4.500h7M12.5 4.500H14M2 11.500h1.500M7 11.500h7M9 4.500a1.75 1.75 0 1 0 3.5 0 1.75 1.75 0 0 0-3.5 0ZM3.5 11.500a1.75 1.75 0 1 0 3.5 0 1.75 1.75 0 0 0-3.5 0Z",
  mail: "M2 3.500h12v9H2zM2 4l6 5 6-5",
  webhook: "M2.5 3h11v7h-6l-3 3v-3h-2z",
  reboot: "M8 2v6M4.5 4A5.5 5.5 0 1 0 11.5 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
