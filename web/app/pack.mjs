// dist/ as one file that the build puts into the binary: a line of JSON that lists the files, then their bytes.
//
// {"files":[{"path":"index.html","type":"text/html; charset=utf-8","bytes":512},...]}\n<bytes><bytes>...
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";
import { join, relative } from "node:path";

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  woff2: "font/woff2",
  json: "application/json",
};
const out = process.argv[2] ?? "dashboard.pack";

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

const files = walk("dist")
  .sort()
  .map((file) => {
    const body = readFileSync(file);
    const type = TYPES[file.split(".").pop()];
    if (type === undefined) throw new Error(`no media type is known for ${file}`);
    return { path: relative("dist", file), type, body };
  });
const index = JSON.stringify({
  files: files.map(({ path, type, body }) => ({ path, type, bytes: body.length })),
});
writeFileSync(out, Buffer.concat([Buffer.from(index + "\n"), ...files.map((file) => file.body)]));

// What a browser fetches before it shows the first page: everything that index.html names.
const html = files.find((file) => file.path === "index.html").body.toString();
const first = files.filter((file) => file.path === "index.html" || html.includes(file.path));
const packed = first.reduce((sum, file) => sum + brotliCompressSync(file.body).length, 0);
console.log(`${files.length} files; first page ${packed} bytes compressed`);
if (packed > 200 * 1024) throw new Error("the first page is over 200 KB compressed");
