/** Mantine wears our tokens: its own variables are pointed at them, so that both schemes are designed in one place. */
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

const ink: MantineColorsTuple = [
  "#eaf2fa",
  "#d3e3f3",
  "#a9c8e6",
  "#7db4ec",
  "#5493cc",
  "#3478b4",
  "#1c5d99",
  "#174e82",
  "#123f6a",
  "#0d3052",
];

const red: MantineColorsTuple = [
  "#fce8e8",
  "#f7d0d1",
  "#efa3a6",
  "#ff9a9a",
  "#e5565d",
  "#d8404a",
  "#c42a36",
  "#ab1e2b",
  "#8c1722",
  "#6d1019",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 6, dark: 3 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  colors: { ink, red },
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
    TextInput: { defaultProps: { size: "sm" } },
    Modal: {
      defaultProps: {
        centered: true,
        transitionProps: { duration: 120 },
        overlayProps: { backgroundOpacity: 0.45 },
        shadow: "none",
      },
    },
    Drawer: {
      defaultProps: { transitionProps: { duration: 120 }, overlayProps: { backgroundOpacity: 0.35 } },
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
  "--mantine-color-ink-filled": "var(--pm-accent)",
  "--mantine-color-ink-filled-hover": "var(--pm-accent-hover)",
  "--mantine-primary-color-contrast": "var(--pm-on-accent)",
};

export const resolveVariables: CSSVariablesResolver = () => ({ variables: {}, light: shared, dark: shared });

/** The nonce the server put into the page for this visit; Mantine's own style elements carry it. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}
