// See run.sh. Each check is a line `ok NAME` or `not ok NAME: why`; the exit status says whether all were ok.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [binary, work] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = join(work, "pictures");
rmSync(pictures, { recursive: true, force: true });
rmSync(join(work, "data"), { recursive: true, force: true });
mkdirSync(pictures, { recursive: true });

let failed = 0;
async function check(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (reason) {
    failed += 1;
    console.log(`not ok ${name}: ${String(reason?.message ?? reason).split("\n").slice(0, 6).join(" | ")}`);
  }
}
function must(truth, why) {
  if (!truth) throw new Error(why);
}

const port = await new Promise((done) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port: free } = server.address();
    server.close(() => done(free));
  });
});
const base = `http://127.0.0.1:${port}`;

function start() {
  const child = spawn(binary, ["serve", "--port", String(port), "--data-dir", join(work, "data"), "--audit.segment_bytes", "4194304"], {
    stdio: "ignore",
  });
  child.ended = new Promise((done) => child.on("exit", done));
  return child;
}
async function until(what, ask, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      const got = await ask();
      if (got) return got;
    } catch {
      // Not yet.
    }
    if (Date.now() > end) throw new Error(`${what} did not come within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
const ready = () => until("the server", async () => (await fetch(`${base}/ready`)).ok);

const sentence = (n) =>
  `The committee met ${n} times before the vote, and it was not an easy decision. Several members said so in the hallway afterwards, ` +
  `though nobody wanted to be quoted about the ${n} things that had been promised. Rain fell all day. The old clerk, who had seen worse, laughed and went home early.`;
async function detect(n) {
  const answer = await fetch(`${base}/api/v1/detect/text`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: sentence(n) }),
  });
  must(answer.ok, `the detector answered ${answer.status}`);
  return answer.json();
}

let server = start();
await ready();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** A page whose errors are kept; what the browser says of a request that failed is not one of the page's own. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.elsewhere = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) page.errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !/^(blob|data):/.test(request.url())) page.elsewhere.push(request.url());
  });
  return page;
}
async function show(page, address) {
  await page.goto(`${base}/dashboard#${address}`);
  await page.waitForSelector("main h1");
  // Requests go on for ever on a live page: what counts is that the first answers are in.
  await page.waitForFunction(() => document.querySelector("main .card, main .empty, main .trouble, main .badge") !== null);
  await page.waitForTimeout(400);
}
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => `${one.id} at ${one.nodes[0]?.target.join(" ")}`);
}

const addresses = ["/live", "/decisions", "/drift", "/compliance", "/cache", "/keys", "/upstreams", "/system"];
const plain = await open();
await show(plain, "/live");
const tries = await plain.$$eval('nav a[href^="#/try/"]', (links) => links.map((link) => link.getAttribute("href").slice(1)));
await check("the menu names a try-it page for the text detector", () => must(tries.includes("/try/text"), tries.join(" ")));

await check("empty pages say that there is no data, and show no figure of any", async () => {
  await show(plain, "/decisions");
  await plain.waitForSelector(".empty");
  must(/No data yet/.test(await plain.textContent("main")), "no word of no data");
});

for (let n = 1; n <= 12; ++n) await detect(n);

for (const address of [...addresses, ...tries]) {
  for (const [form, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
  ]) {
    await check(`${address} ${form}`, async () => {
      const page = await open(options);
      try {
        await show(page, address);
        await page.screenshot({ path: join(pictures, `${address.slice(1).replaceAll("/", "-")}-${form}.png`), fullPage: true });
        must(page.errors.length === 0, page.errors.join(" | "));
        must(page.elsewhere.length === 0, `asks elsewhere: ${page.elsewhere.join(" ")}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        must(wide <= 1, `the page is ${wide} pixels wider than the window`);
        const found = await violations(page);
        must(found.length === 0, found.join(" | "));
      } finally {
        await page.context().close();
      }
    });
  }
}

await check("a pasted text is judged, and the page shows what the server answered", async () => {
  const page = await open();
  await show(page, "/try/text");
  await page.fill("#text", sentence(77));
  const [answer] = await Promise.all([page.waitForResponse(/detect\/text/), page.click("text=Judge it")]);
  const body = await answer.json();
  await page.waitForSelector(".sentences mark");
  const text = await page.textContent("main");
  must(text.includes(body.analysis_id), "the id of the decision is not shown");
  must(text.includes(`${Math.round(body.confidence * 100)} % likely a machine`), "the share is not the server's");
  must((await page.$$(".signals > div")).length === body.signals.length, "not every signal is shown");
  await page.screenshot({ path: join(pictures, "try-text-answer.png"), fullPage: true });
  const found = await violations(page);
  must(found.length === 0, found.join(" | "));
  await page.click(`a[href="#/decisions/${body.analysis_id}"]`);
  await page.waitForSelector("text=Proof");
  await page.waitForSelector("text=signed root");
  await page.screenshot({ path: join(pictures, "decision.png"), fullPage: true });
  must(page.errors.length === 0, page.errors.join(" | "));
  await page.context().close();
});

await check("a text that is refused is shown as the server's refusal", async () => {
  const page = await open();
  await show(page, "/try/text");
  await page.fill("#text", "x".repeat(60_000));
  await page.click("text=Judge it");
  await page.waitForSelector(".trouble");
  must(/422|Unprocessable|Content/.test(await page.textContent(".trouble")), await page.textContent(".trouble"));
  must((await page.$$(".sentences")).length === 0, "an answer stands beside the refusal");
  await page.context().close();
});

await check("the live page shows what /metrics counts", async () => {
  const counted = async () => {
    const text = await (await fetch(`${base}/metrics`)).text();
    return [...text.matchAll(/^http_requests_total\{.*handler="\/api\/v1\/detect\/text".*\} (\d+)/gm)].reduce((sum, found) => sum + Number(found[1]), 0);
  };
  const page = await open();
  await show(page, "/live");
  await page.waitForSelector(".figures");
  const samples = [];
  const reader = (await fetch(`${base}/api/v1/performance/live`)).body.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const before = await counted();
  for (let n = 100; n < 130; ++n) await detect(n);
  let seen = 0;
  let waiting = "";
  while (seen < 30 && samples.length < 30) {
    waiting += (await reader.read()).value;
    for (let end; (end = waiting.indexOf("\n\n")) >= 0; waiting = waiting.slice(end + 2)) {
      const data = /^data: (.*)$/m.exec(waiting.slice(0, end));
      if (data === null) continue;
      const sample = JSON.parse(data[1]);
      samples.push(sample);
      seen += sample.routes.filter((route) => route.route === "/api/v1/detect/text").reduce((sum, route) => sum + route.requests, 0);
    }
  }
  await reader.cancel();
  must(seen === 30, `the samples hold ${seen} of 30 requests`);
  must((await counted()) - before === 30, "the counter disagrees");
  await page.waitForSelector("td:has-text('/api/v1/detect/text')");
  await page.screenshot({ path: join(pictures, "live-busy.png"), fullPage: true });
  must(page.errors.length === 0, page.errors.join(" | "));
  await page.context().close();
});

await check("the record is verified from the page", async () => {
  const page = await open();
  await show(page, "/compliance");
  await page.click("text=Verify now");
  await page.waitForSelector("dd:has-text('sound')", { timeout: 60_000 });
  await page.screenshot({ path: join(pictures, "compliance-verified.png"), fullPage: true });
  await page.context().close();
});

await check("a server that stops is told, and one that comes back is shown again", async () => {
  const page = await open();
  await show(page, "/live");
  await page.waitForSelector(".badge:has-text('live')");
  server.kill("SIGKILL");
  await server.ended;
  await page.waitForSelector("text=connection lost", { timeout: 30_000 });
  await page.screenshot({ path: join(pictures, "live-lost.png"), fullPage: true });
  server = start();
  await ready();
  await page.waitForSelector(".title .badge.good", { timeout: 30_000 });
  must(page.errors.length === 0, page.errors.join(" | "));
  await page.context().close();
});

await check("keys are made and asked for where they are needed", async () => {
  const page = await open();
  await show(page, "/keys");
  await page.waitForSelector(".trouble");
  must(/admin key/.test(await page.textContent("main")), "the page does not say what is missing");
  await page.context().close();
});

await browser.close();
server.kill("SIGTERM");
must((await server.ended) === 0, "the server did not stop cleanly");
process.exit(failed === 0 ? 0 : 1);
