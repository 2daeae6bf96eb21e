/** The studio's build: `dist/studio` of the package. Its colours and drawings are those of the reports. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";
import { plotCss } from "../src/report/style.ts";

const root = import.meta.dirname;
const SERVER = process.env["PHILAB_SERVER"] ?? "http://127.0.0.1:8000";

/** `virtual:report.css`: the colour tokens and the style of the drawings. */
function reportCss(): Plugin {
  const id = "virtual:report.css";
  const resolved = `\0${id}`;
  return {
    name: "report-css",
    resolveId: (asked) => (asked === id ? resolved : undefined),
    load: (asked) => (asked === resolved ? plotCss() : undefined),
  };
}

export default defineConfig({
  root,
  base: "./",
  plugins: [svelte({ configFile: false }), reportCss()],
  build: {
    outDir: "../dist/studio",
    emptyOutDir: true,
    target: "es2023",
    // Pages may load nothing from `data:` addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  // `npm run dev -w studio` beside a running `philab serve`.
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/health", "/metrics", "/tokenize", "/detokenize"].map((path) => [
        path,
        { target: SERVER, changeOrigin: true, headers: { origin: SERVER } },
      ]),
    ),
  },
});
