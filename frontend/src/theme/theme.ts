/** Mantine wears our tokens: its own variables are pointed at them, so that both schemes are designed in one place. */
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const ink: MantineColorsTuple = [
  "#eaf2fa",
  "#d3e3f3",
  "#a9c8e6",
  "#7db4ec",
  "#5493cc",
  "#2f78bd",
  "#1c5d99",
  "#174e82",
  "#123f6a",
  "#0d3052",
];

/** Greys of the dark scheme, from text to the deepest ground; the kit draws its inputs with them. */
const dark: MantineColorsTuple = [
  "#c4cad2",
  "#b0b8c3",
  "#a0a9b5",
  "#7b8592",
  "#3a424c",
  "#242a31",
  "#1a1f25",
  "#15191e",
  "#0e1114",
  "#090b0d",
];

const red: MantineColorsTuple = [
  "#fce8e8",
  "#f7d0d1",
  "#efa3a6",
  "#ff9a9a",
  "#e5565d",
  "#cc3540",
  "#c42a36",
  "#ab1e2b",
  "#8c1722",
  "#6d1019",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 6, dark: 5 },
  colors: { ink, red, dark },
  fontFamily: "var(--pm-font)",
  fontFamilyMonospace: "var(--pm-mono)",
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "18px" },
  spacing: { xs: "8px", sm: "12px", md: "16px", lg: "24px", xl: "32px" },
  defaultRadius: 5,
  cursorType: "pointer",
  respectReducedMotion: true,
  focusRing: "auto",
  components: {
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray", size: 28 } },
    Radio: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "sm" } },
    Modal: {
      defaultProps: {
        centered: true,
        // The body never scrolls here, and the lock would insert a style element without our nonce.
        lockScroll: false,
        // The kit's header element would be a second banner landmark.
        attributes: { header: { role: "none" } },
        transitionProps: { duration: 120 },
        overlayProps: { backgroundOpacity: 0.45 },
        shadow: "none",
      },
    },
    Drawer: {
      defaultProps: {
        lockScroll: false,
        // The kit's header element would be a second banner landmark.
        attributes: { header: { role: "none" } },
        transitionProps: { duration: 120 },
        overlayProps: { backgroundOpacity: 0.35 },
      },
    },
    Menu: { defaultProps: { transitionProps: { duration: 80 }, shadow: "sm", position: "bottom-end" } },
    Popover: { defaultProps: { transitionProps: { duration: 80 }, shadow: "sm" } },
    Tooltip: { defaultProps: { openDelay: 250, transitionProps: { duration: 80 }, withinPortal: true } },
  },
});

const shared = {
  "--mantine-color-body": "var(--pm-surface)",
  "--mantine-color-text": "var(--pm-text)",
  "--mantine-color-dimmed": "var(--pm-muted)",
  "--mantine-color-default": "var(--pm-surface)",
  "--mantine-color-default-hover": "var(--pm-hover)",
  "--mantine-color-default-color": "var(--pm-text)",
  "--mantine-color-default-border": "var(--pm-line)",
  "--mantine-color-placeholder": "var(--pm-muted)",
  "--mantine-color-anchor": "var(--pm-accent)",
  "--mantine-color-error": "var(--pm-danger-text)",
  "--mantine-color-disabled": "var(--pm-sunken)",
  "--mantine-color-disabled-color": "var(--pm-muted)",
  "--mantine-color-ink-filled": "var(--pm-fill)",
  "--mantine-color-ink-filled-hover": "var(--pm-fill-hover)",
};

export const resolveVariables: CSSVariablesResolver = () => ({ variables: {}, light: shared, dark: shared });

/** The nonce the server put into the page for this visit; Mantine's own style elements carry it. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}
