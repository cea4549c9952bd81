// See run.sh. Each check is a line `ok NAME` or `not ok NAME: why`; the exit status says whether all were ok.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { join } from "node:path";
import { Server, check, close, closeBrowser, detect, failures, judge, must, open, pictures, runtime, send, show } from "./harness.mjs";
import { doubling, slow } from "./onnx.mjs";
import { noInventedNumber } from "./numbers.mjs";
import { keyboard, locked } from "./operate.mjs";
import * as performance from "./performance.mjs";
import * as record from "./record.mjs";
import * as services from "./services.mjs";

/** A service behind the gateway. */
async function startUpstream() {
  let count = 0;
  let failing = false;
  const http = createServer((request, response) => {
    request.resume();
    count += 1;
    response.statusCode = failing ? 500 : 200;
    response.setHeader("Content-Type", "application/json");
    response.setHeader("X-Upstream", "here");
    response.end(JSON.stringify({ asked: request.url }));
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  return {
    port: http.address().port,
    asked: () => count,
    fail: (now) => {
      failing = now;
    },
    stop: () => {
      http.closeAllConnections();
      http.close();
    },
  };
}

const upstream = await startUpstream();
const server = new Server("data");
const settings = join(server.data, "settings.yaml");
writeFileSync(
  settings,
  `upstreams:
  scorer:
    targets: [{url: "http://127.0.0.1:${upstream.port}"}]
routes:
  score: {path: /score, upstream: scorer, cost: "1", cache: {mode: fixed, ttl_s: 600}}
  open_score: {path: "/scorer/{rest...}", strip_prefix: /scorer, upstream: scorer}
`,
);
server.flags = ["--config", settings];
for (const [name, bytes] of [["doubling", doubling(4)], ["slow", slow(256, 60)]]) {
  mkdirSync(join(server.data, `models/${name}/1`), { recursive: true });
  writeFileSync(join(server.data, `models/${name}/1/model.onnx`), bytes);
}
const admin = server.makeKey("--name", "boss", "--admin");
await server.start();

const addresses = ["/live", "/performance", "/alerts", "/decisions", "/drift", "/compliance", "/cache", "/keys", "/models", "/upstreams", "/jobs", "/settings", "/system"];
const plain = await open(server);
await show(plain, "/live");
const tries = await plain.$$eval('nav a[href^="#/try/"]', (links) => links.map((link) => link.getAttribute("href").slice(1)));
await check("the menu names a try-it page for each service", () => must(["/try/text", "/try/models", "/try/gateway"].every((one) => tries.includes(one)), tries.join(" ")));

/** The bytes of an answer as they came over the wire, and the text of an uncompressed one. */
const wire = (path, encodings) =>
  new Promise((done, failed) => {
    get(server.base + path, { headers: { "Accept-Encoding": encodings } }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => done(Buffer.concat(parts)));
    }).on("error", failed);
  });
await check("the first page is at most 200 KB as it is sent", async () => {
  const html = (await wire("/dashboard", "identity")).toString();
  const named = [...html.matchAll(/(?:src|href)="(\/dashboard\/[^"]+)"/g)].map((one) => one[1]);
  must(named.length >= 3, `the page names ${named.join(" ")}`);
  const bytes = (await Promise.all(["/dashboard", ...named].map((path) => wire(path, "br, gzip")))).reduce((sum, body) => sum + body.length, 0);
  must(bytes <= 200 * 1024, `${bytes} bytes`);
});

await check("empty pages say that there is no data, and how to make some", async () => {
  await show(plain, "/decisions");
  await plain.waitForSelector(".empty");
  must(/No data yet/.test(await plain.textContent("main")), "no word of no data");
  must((await plain.$$(".empty .code")).length === 1, "no command");
  await judge(plain, "decisions-empty");
});
await close(plain);

for (let n = 1; n <= 12; ++n) await detect(server, n);

for (const address of [...addresses, ...tries]) {
  for (const [form, options] of [
    ["light", { colorScheme: "light", key: admin }],
    ["dark", { colorScheme: "dark", key: admin }],
    ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 }, key: admin }],
  ]) {
    await check(`${address} ${form}`, async () => {
      const page = await open(server, options);
      try {
        await show(page, address);
        await judge(page, `${address.slice(1).replaceAll("/", "-")}-${form}`);
      } finally {
        await close(page);
      }
    });
  }
}

await services.text(server);
await services.flood(server);
await services.content(server);
await services.speech(server);
await services.models(server);
await services.embeddings(server);
await services.gateway(server, upstream);
await record.live(server);
await record.decisions(server);
await record.compliance(server);
await record.drift();
await performance.performance(server, admin);
await performance.alerts(server, admin);
await performance.jobs(server, admin);
await keyboard(server);
await noInventedNumber(server, [...addresses, ...tries], admin);

await check("a server that stops is told, and one that comes back is shown again", async () => {
  const page = await open(server);
  await show(page, "/live");
  await page.waitForSelector(".badge:has-text('live')");
  await server.kill();
  await page.waitForSelector("text=connection lost", { timeout: 30_000 });
  await page.screenshot({ path: join(pictures, "live-lost.png"), fullPage: true });
  await server.start();
  await page.waitForSelector(".title .badge.good", { timeout: 30_000 });
  must(page.errors.length === 0, page.errors.join(" | "));
  await close(page);
});

await locked();
await closeBrowser();
await server.stop();
upstream.stop();
if (runtime === "") console.log("note: without ONNX Runtime the pages of models were checked for their refusal alone");
process.exit(failures() === 0 ? 0 : 1);
