// The page is served by the binary under /dashboard, works offline and loads nothing from elsewhere.
import { defineConfig } from "vite";

const server = process.env["TIDEGATE_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "/dashboard/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    outDir: "dist",
    modulePreload: { polyfill: false },
    // No file becomes a data: URL, so that the page's content security policy needs none.
    assetsInlineLimit: 0,
    rollupOptions: { output: { manualChunks: undefined } },
  },
  // `npm run dev` asks a running server for everything that is not the page.
  server: { proxy: { "^/(?!dashboard|@|src|node_modules)": { target: server } } },
});
