import { readFileSync } from "node:fs";
import path from "node:path";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Where `npm start` has the API. */
const api = "http://localhost:3000";

export default defineConfig({
  plugins: [react(), tailwindcss(), beforeFirstPaint()],
  // The server puts the nonce of each response in its place.
  html: { cspNonce: "CSP_NONCE" },
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    sourcemap: false,
    rolldownOptions: {
      output: {
        // By itself the bundler makes a file of each icon, and of each module of the first load that a page shares: 45 requests
        // for one page.
        codeSplitting: {
          groups: [
            { name: "start", tags: ["$initial"] },
            { name: "icons", test: /lucide-react/, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: {
    // The API takes requests of its own origin alone. Unlike the server's, pages here have no policy: the server of
    // Vite runs inline scripts.
    proxy: Object.fromEntries(
      ["/trpc", "/api"].map((prefix) => [
        prefix,
        { target: api, changeOrigin: true, headers: { origin: api } },
      ]),
    ),
  },
});

/** Adds theme.js as a script that blocks the first paint, which Vite makes of no script, and loads the two fonts early. */
function beforeFirstPaint(): Plugin {
  const source = path.join(import.meta.dirname, "theme.js");
  let reference = "";
  return {
    name: "before-first-paint",
    buildStart() {
      if (this.environment.mode === "build") {
        reference = this.emitFile({ type: "asset", name: "theme.js", source: readFileSync(source) });
      }
    },
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const files = Object.values(bundle ?? {});
        const theme = files.find(({ fileName }) => /assets\/theme-[^/]+\.js$/.test(fileName));
        const fonts = files.filter(({ fileName }) => /-latin-wght-normal-[^/]+\.woff2$/.test(fileName));
        return [
          {
            tag: "script",
            attrs: { src: theme === undefined ? "/theme.js" : `/${theme.fileName}` },
            injectTo: "head-prepend",
          },
          ...fonts.map(({ fileName }) => ({
            tag: "link",
            attrs: { rel: "preload", as: "font", type: "font/woff2", crossorigin: "", href: `/${fileName}` },
            injectTo: "head" as const,
          })),
        ];
      },
    },
    generateBundle() {
      if (reference !== "") this.getFileName(reference);
    },
  };
}
