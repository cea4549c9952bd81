// What the checks share: the server under test, the browser, and how one line says what came of a check.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const [binary, work] = process.argv.slice(2);
/** ONNX Runtime's library; empty where it is not here. */
export const runtime = process.env.ONNX_RUNTIME_LIBRARY ?? "";
export const pictures = join(work, "pictures");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
rmSync(pictures, { recursive: true, force: true });
mkdirSync(pictures, { recursive: true });

let failed = 0;
export const failures = () => failed;
export async function check(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (reason) {
    failed += 1;
    console.log(`not ok ${name}: ${String(reason?.message ?? reason).split("\n").slice(0, 6).join(" | ")}`);
  }
}
export function must(truth, why) {
  if (!truth) throw new Error(why);
}

export async function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

export async function until(what, ask, seconds = 60) {
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

/** A server on a port of its own; `data` is emptied first. */
export class Server {
  constructor(name, flags = []) {
    this.data = join(work, name);
    this.flags = flags;
    rmSync(this.data, { recursive: true, force: true });
    mkdirSync(this.data, { recursive: true, mode: 0o700 });
  }
  async start() {
    this.port ??= await freePort();
    this.base = `http://127.0.0.1:${this.port}`;
    const library = runtime === "" ? [] : ["--models.runtime_library", runtime];
    this.child = spawn(binary, ["serve", "--port", String(this.port), "--data-dir", this.data, "--audit.segment_bytes", "4194304", ...library, ...this.flags], { stdio: "ignore" });
    this.ended = new Promise((done) => this.child.on("exit", done));
    await until("the server", async () => (await fetch(`${this.base}/ready`)).ok);
  }
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }
  async stop() {
    this.child.kill("SIGTERM");
    must((await this.ended) === 0, "the server did not stop cleanly");
  }
  /** A key with all of `words` on the command line; before start(), or while it runs. */
  makeKey(...words) {
    const said = execFileSync(binary, ["keys", "create", "--data-dir", this.data, ...words], { encoding: "utf8" });
    const found = /tg_[A-Za-z0-9_-]+/.exec(said);
    must(found !== null, `no key in: ${said}`);
    return found[0];
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
export const closeBrowser = () => browser.close();

/** A page whose errors are kept; what the browser says of a request that failed is not one of the page's own. */
export async function open(server, { key, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.server = server;
  page.errors = [];
  page.elsewhere = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) page.errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.base) && !/^(blob|data):/.test(request.url())) page.elsewhere.push(request.url());
  });
  page.underway = new Set();
  page.on("request", (request) => page.underway.add(request));
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => page.underway.delete(request));
  if (key !== undefined) await page.addInitScript((held) => sessionStorage.setItem("tidegate-key", held), key);
  return page;
}
export async function close(page) {
  // An answer that a test had stood in for may still be under way: it goes nowhere then.
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.context().close();
}

/** Until `truth` holds in the page. (Playwright's own waitForFunction needs eval, which the page's content security policy refuses.) */
export const holds = (page, truth, given) => until(String(truth).slice(0, 120), () => page.evaluate(truth, given));

export async function show(page, address) {
  await page.goto(`${page.server.base}/dashboard#${address}`);
  await page.waitForSelector("main h1");
  // Requests go on for ever on a live page: what counts is that the first answers are in.
  await holds(page, () => document.querySelector("main .card, main .empty, main .trouble, main .badge") !== null);
  // A stream never ends: what is still under way after two seconds is one.
  for (let turn = 0; turn < 40 && page.underway.size > 0; ++turn) await page.waitForTimeout(50);
  await page.waitForTimeout(400);
}

export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => `${one.id} at ${one.nodes[0]?.target.join(" ")}`);
}

/** Whatever holds of every page: no error, nothing from elsewhere, nothing beside the window, nothing that axe finds; and its picture. */
export async function judge(page, picture) {
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(pictures, `${picture}.png`), fullPage: true });
  must(page.errors.length === 0, page.errors.join(" | "));
  must(page.elsewhere.length === 0, `asks elsewhere: ${page.elsewhere.join(" ")}`);
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const beside = [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > room);
    return { pixels: document.documentElement.scrollWidth - room, by: beside.map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`).pop() };
  });
  must(wide.pixels <= 1, `the page is ${wide.pixels} pixels wider than the window: ${wide.by}`);
  const found = await violations(page);
  must(found.length === 0, found.join(" | "));
}

export const sentence = (n) =>
  `The committee met ${n} times before the vote, and it was not an easy decision. Several members said so in the hallway afterwards, ` +
  `though nobody wanted to be quoted about the ${n} things that had been promised. Rain fell all day. The old clerk, who had seen worse, laughed and went home early.`;

export async function send(server, path, body, headers = {}) {
  const answer = await fetch(server.base + path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });
  must(answer.ok, `${path} answered ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
}
export const detect = (server, n) => send(server, "/api/v1/detect/text", { text: sentence(n) });
