// Performance, Alerts and Jobs beside what their routes answer; where this build has no such route the page says so.
import { check, close, detect, holds, judge, must, open, show, until } from "./harness.mjs";

const answered = async (server, path, key) => {
  const answer = await fetch(server.base + path, { headers: { Authorization: `Bearer ${key}` } });
  return answer.ok ? answer.json() : { status: answer.status };
};

/** The page of a route that is not there: told, and nothing shown in its place. */
async function missing(server, address, key) {
  const page = await open(server, { key });
  await show(page, address);
  await page.waitForSelector(".trouble");
  must((await page.$$(".figure, tbody tr")).length === 0, "it shows figures all the same");
  await close(page);
}

export async function performance(server, admin) {
  const begin = await answered(server, "/api/v1/performance/health", admin);
  if (begin.status === 404) return check("without its routes the performance page says so", () => missing(server, "/performance", admin));

  await check("the performance page shows each measure with its thresholds and state, as the server judged it", async () => {
    for (let n = 300; n < 330; ++n) await detect(server, n);
    const health = await until("a first sample", async () => {
      const got = await answered(server, "/api/v1/performance/health", admin);
      return got.judged_at !== null && got;
    });
    const page = await open(server, { key: admin });
    await show(page, "/performance");
    await page.waitForSelector("[aria-label='Measures and their thresholds'] tbody tr");
    const rows = await page.$$eval("[aria-label='Measures and their thresholds'] tbody tr", (all) => all.map((row) => row.querySelector(".badge").textContent));
    must(rows.length === health.metrics.length, `${rows.length} of ${health.metrics.length} measures`);
    must(rows.every((state) => ["unknown", "off", "healthy", "elevated", "warning", "critical"].includes(state)), rows.join(" "));
    await close(page);
  });

  await check("its slow routes, requests and trends are the report's", async () => {
    const report = await until("a block with requests", async () => {
      const got = await answered(server, "/api/v1/performance/report?period=1h", admin);
      return got.requests.total > 0 && got.points.length > 0 && got;
    });
    const page = await open(server, { key: admin });
    const [asked] = await Promise.all([page.waitForResponse(/performance\/report/), show(page, "/performance")]);
    const told = await asked.json();
    must(told.requests.total >= report.requests.total, "the report went backwards");
    await page.waitForSelector(".figure:has-text('Requests')");
    await holds(page, (total) => [...document.querySelectorAll(".figure")].some((one) => one.querySelector("dt").textContent === "Requests" && one.querySelector("dd").firstChild.textContent.replaceAll(",", "") === String(total)), told.requests.total);
    const shown = await page.$$eval("[aria-label='Slowest routes'] tbody tr", (all) => all.map((row) => row.querySelector("td").textContent));
    must(JSON.stringify(shown) === JSON.stringify(told.slowest_routes.map((one) => `${one.method} ${one.route}`)), JSON.stringify(shown));
    await judge(page, "performance-busy");
    await close(page);
  });

  await check("an action is asked once and told with before and after", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/performance");
    await page.waitForSelector("text=Put it in order");
    await page.click(".card:has-text('Put it in order') button:text-is('Cache')");
    const [answer] = await Promise.all([page.waitForResponse(/performance\/optimize\?type=cache/), page.click("dialog[open] .actions button.main")]);
    const { actions } = await answer.json();
    await page.waitForSelector("[aria-label='What was done'] tbody tr");
    const shown = await page.textContent("[aria-label='What was done']");
    must(actions.length > 0 && actions.every((one) => shown.includes(one.action.replaceAll("_", " "))), shown);
    await judge(page, "performance-optimized");
    await close(page);
  });

  await check("a profile becomes a flame graph that the keyboard walks, or the page says why not", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/performance");
    let over = false;
    const load = (async () => {
      for (let n = 1000; !over; ++n) await detect(server, n);
    })();
    const [answer] = await Promise.all([page.waitForResponse(/pprof\/flame/, { timeout: 90_000 }), page.click("button:has-text('Profile 5 seconds')")]);
    over = true;
    await load;
    if (answer.ok()) {
      const { root } = await answer.json();
      must(root.total > 0, "no CPU time was sampled");
      await page.waitForSelector(".flame button");
      await page.focus(".flame button >> nth=0");
      await page.keyboard.press("ArrowDown");
      must((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))).includes("of all"), "the arrow led nowhere");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=One call up");
      await judge(page, "performance-flame");
    } else {
      await page.waitForSelector(".card:has-text('Where the CPU time goes') .trouble");
    }
    await close(page);
  });
}

export async function alerts(server, admin) {
  const begin = await answered(server, "/api/v1/alerts/rules", admin);
  if (begin.status === 404) return check("without its routes the alerts page says so", () => missing(server, "/alerts", admin));
  await check("the alerts page lists each rule, and a silence is placed and ended", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/alerts");
    await page.waitForSelector("text=Silences");
    const { items } = await answered(server, "/api/v1/alerts/rules", admin);
    await holds(page, (n) => document.querySelectorAll("[aria-label='Rules'] tbody tr").length === n, items.length);
    await page.fill("label:has-text('why') input", "maintenance");
    await page.click("button:text-is('Silence')");
    await page.click("dialog[open] .actions button.main");
    await page.waitForSelector("td:has-text('maintenance')");
    must((await answered(server, "/api/v1/alerts/silences", admin)).items.length === 1, "the server knows of no silence");
    await judge(page, "alerts-silent");
    await page.click("td button:has-text('End it')");
    await page.click("dialog[open] .actions button.main");
    await page.waitForSelector("text=Nothing is silent");
    await close(page);
  });
}

export async function jobs(server, admin) {
  const begin = await answered(server, "/api/v1/jobs", admin);
  if (begin.status === 404) return check("without its routes the jobs page says so", () => missing(server, "/jobs", admin));
  await check("the jobs page counts what the server counts, and says when there is nothing", async () => {
    const page = await open(server, { key: admin });
    await show(page, "/jobs");
    await page.waitForSelector(".figures");
    const { counts, items } = await answered(server, "/api/v1/jobs", admin);
    const shown = await page.$$eval(".figure", (all) => Object.fromEntries(all.map((one) => [one.querySelector("dt").textContent, Number(one.querySelector("dd").firstChild.textContent)])));
    must(JSON.stringify(shown) === JSON.stringify(counts), `${JSON.stringify(shown)} and ${JSON.stringify(counts)}`);
    if (items.length === 0) await page.waitForSelector(".empty:has-text('No data yet')");
    await judge(page, "jobs");
    await close(page);
  });
}
