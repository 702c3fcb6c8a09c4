import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The API a developer's browser talks to while Vite serves the page. */
const api = process.env.PATCH_MANAGER_URL ?? "https://127.0.0.1:8443";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../patch_manager/http/static",
    emptyOutDir: true,
    target: "es2022",
    // The content security policy allows files of this origin only: no data: URLs, no inline polyfill.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: api, secure: false, ws: true, changeOrigin: true } } },
});
