// The pages that operate the server: state, and actions that ask once; with keys, and for whoever has none.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server, check, close, holds, judge, must, open, runtime, show } from "./harness.mjs";
import { doubling } from "./onnx.mjs";

/** Presses an action's button and then the one in its question. */
async function act(page, label) {
  await page.click(`button:has-text("${label}")`);
  const dialog = page.locator("dialog[open]");
  await dialog.waitFor();
  await dialog.locator(`.actions button:has-text("${label}")`).click();
}

export async function locked() {
  const server = new Server("locked", ["--identity.required", "always", "--models.mode", "explicit"]);
  mkdirSync(join(server.data, "models/doubling/1"), { recursive: true });
  writeFileSync(join(server.data, "models/doubling/1/model.onnx"), doubling(4));
  const admin = server.makeKey("--name", "boss", "--admin");
  const reader = server.makeKey("--name", "reader", "--scope", "provenance", "--scope", "usage", "--tenant", "acme", "--rate", "600/1m", "--daily-cap", "100");
  await server.start();

  await check("where keys are asked for, each page says so and shows nothing", async () => {
    const page = await open(server);
    for (const address of ["/live", "/decisions", "/drift", "/compliance", "/cache", "/keys", "/models", "/settings", "/try/models"]) {
      await show(page, address);
      await page.waitForSelector(".trouble.locked");
      must(/key/i.test(await page.textContent(".trouble")), `${address}: ${await page.textContent(".trouble")}`);
    }
    await judge(page, "locked");
    await close(page);
  });

  await check("a key entered at the top opens the pages, and is forgotten on request", async () => {
    const page = await open(server);
    await show(page, "/live");
    await page.waitForSelector(".trouble.locked");
    await page.fill("input[name=key]", admin);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".title .badge.good", { timeout: 30_000 });
    await page.waitForSelector(".figures");
    must(!(await page.content()).includes(admin), "the whole key stands on the page");
    await page.click("button:has-text('Forget key')");
    await page.waitForSelector("input[name=key]");
    await close(page);
  });

  await check("keys are made, rotated and revoked, each asked once", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/keys");
    await page.waitForSelector("td:has-text('acme')");
    await page.fill("input[name=name]", "made here");
    await page.fill("input[name=scopes]", "provenance:read");
    await page.click("button:has-text('Make it')");
    await page.waitForSelector("text=It is shown this once");
    const row = page.locator("tr", { hasText: "made here" });
    await row.waitFor();
    await row.locator("button:has-text('Revoke')").first().click();
    await row.locator("dialog[open] .actions button:has-text('Revoke')").click();
    await row.locator(".badge:has-text('revoked')").waitFor();
    const other = page.locator("tr", { hasText: "reader" }).first();
    await other.locator("button:has-text('Rotate')").first().click();
    await other.locator("dialog[open] .actions button:has-text('Rotate')").click();
    await page.waitForSelector("text=The successor is shown this once");
    await page.waitForSelector("td .badge:has-text('overlap')");
    await judge(page, "keys-made");
    await close(page);
  });

  await check("a tenant's key sees its own spend and cap", async () => {
    const answer = await fetch(`${server.base}/api/v1/detect/text`, { method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${reader}` }, body: '{"text":"One."}' });
    must(answer.status === 200, String(answer.status));
    const usage = await (await fetch(`${server.base}/api/v1/usage`, { headers: { Authorization: `Bearer ${reader}` } })).json();
    const page = await open(server, { key: reader });
    await show(page, "/keys");
    await page.waitForSelector(".figure:has-text('Cap')");
    const shown = await page.$eval(".card:first-child .figures", (own) => Object.fromEntries([...own.querySelectorAll(".figure")].map((one) => [one.querySelector("dt").textContent, one.querySelector("dd").firstChild.textContent])));
    must(usage.own.spent > 0 && shown.Spent === String(usage.own.spent), `${JSON.stringify(shown)} and ${JSON.stringify(usage.own)}`);
    must(shown.Cap === "100" && shown.Left === String(usage.own.remaining), JSON.stringify(shown));
    await close(page);
  });

  await check("the settings page shows each value and where it came from, and no secret", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/settings");
    await page.waitForSelector("section.settings");
    const required = page.locator("tr", { hasText: "identity.required" }).first();
    must((await required.textContent()).includes("always") && (await required.textContent()).includes("--identity.required"), await required.textContent());
    const told = await (await fetch(`${server.base}/api/v1/settings`, { headers: { Authorization: `Bearer ${admin}` } })).json();
    must((await page.$$("section.settings tbody tr")).length === told.settings.length, "not every setting is shown");
    await judge(page, "settings-all");
    await page.check("input[type=checkbox]");
    const set = told.settings.filter((one) => one.source !== "default").length;
    await holds(page, (n) => document.querySelectorAll("section.settings tbody tr").length === n, set);
    await page.fill("input[type=search]", "identity");
    await holds(page, () => document.querySelectorAll("section.settings tbody tr").length === 1);
    await judge(page, "settings-found");
    const refused = await fetch(`${server.base}/api/v1/settings`, { headers: { Authorization: `Bearer ${reader}` } });
    must(refused.status === 403, `a reader's key got ${refused.status}`);
    await close(page);
  });

  if (runtime !== "") {
    await check("a model is loaded and unloaded from its page, each asked once", async () => {
      const page = await open(server, { key: admin });
      await show(page, "/models");
      await page.waitForSelector("td:has-text('doubling')");
      await act(page, "Load");
      await page.waitForSelector("td .badge.good:has-text('ready')", { timeout: 30_000 });
      await page.waitForSelector("a[href='#/try/models/doubling']");
      await judge(page, "models-loaded");
      await act(page, "Unload");
      await holds(page, () => document.querySelector("td .badge.good") === null);
      const index = await (await fetch(`${server.base}/v2/repository/index`, { method: "POST", headers: { Authorization: `Bearer ${admin}` } })).json();
      must(index[0].state !== "READY", JSON.stringify(index));
      await close(page);
    });
  }

  await check("the cache is emptied after one question", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/cache");
    await act(page, "Drop everything");
    await page.waitForSelector(".done:has-text('dropped')");
    await judge(page, "cache-dropped");
    await close(page);
  });
  await server.stop();
}

export async function keyboard(server) {
  await check("every place of the menu and every control is reached by the keyboard", async () => {
    const page = await open(server);
    await show(page, "/live");
    await page.keyboard.press("Tab");
    must((await page.evaluate(() => document.activeElement.className)) === "skip", "the first stop is not the way to the content");
    const links = await page.$$eval("nav a", (all) => all.map((one) => one.getAttribute("href")));
    const reached = new Set();
    for (let step = 0; step < links.length + 8; ++step) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const one = document.activeElement;
        const style = getComputedStyle(one);
        return { href: one.getAttribute("href"), seen: style.outlineStyle !== "none" || one.matches("input, select") };
      });
      if (at.href !== null) {
        must(at.seen, `${at.href} has no visible focus`);
        reached.add(at.href);
      }
    }
    must(links.every((href) => reached.has(href)), `not reached: ${links.filter((href) => !reached.has(href)).join(" ")}`);
    await page.focus('nav a[href="#/drift"]');
    await page.keyboard.press("Enter");
    await page.waitForSelector("h1:has-text('Drift')");
    must((await page.evaluate(() => document.activeElement.tagName)) === "H1", "the new page's title has not the focus");
    await close(page);
  });

  await check("a question can be left by the keyboard, and nothing has happened", async () => {
    const page = await open(server);
    await show(page, "/compliance");
    const active = async () => (await (await fetch(`${server.base}/api/compliance/hold`)).json()).items.filter((one) => one.active).length;
    must((await active()) === 0, "something is held already");
    await page.fill("label:has-text('reason of a new hold') input", "case 1");
    await page.click("button:has-text('Hold everything')");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await holds(page, () => document.querySelector("dialog[open]") === null);
    must((await active()) === 0, "it was held all the same");
    await close(page);
  });

  await check("on a phone the menu opens, leads to a page and closes", async () => {
    const page = await open(server, { viewport: { width: 390, height: 844 } });
    await show(page, "/live");
    await page.click("button.menu");
    await page.click('nav a[href="#/decisions"]');
    await page.waitForSelector("h1:has-text('Decisions')");
    must(!(await page.isVisible("nav")), "the menu stays open");
    await close(page);
  });
}
