// Live, Decisions and Compliance beside what the server's own counters and record say.
import { Server, check, close, detect, judge, must, open, pictures, send, show, until } from "./harness.mjs";
import { join } from "node:path";

/** The sum of one counter's samples in /metrics whose labels hold `with_label`. */
async function counted(server, metric, with_label = "") {
  const text = await (await fetch(`${server.base}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
    .filter((line) => line.includes(with_label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

export async function live(server) {
  const route = 'handler="/api/v1/detect/text"';
  await check("the live samples, what the page shows of them, and /metrics are one count", async () => {
    const page = await open(server);
    await show(page, "/live");
    await page.waitForSelector(".figures");
    const reader = (await fetch(`${server.base}/api/v1/performance/live`)).body.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    const before = { requests: await counted(server, "http_requests_total", route), points: await counted(server, "tidegate_spend_points_total", "charged") };
    for (let n = 100; n < 130; ++n) await detect(server, n);
    const samples = [];
    let [seen, waiting] = [0, ""];
    while (seen < 30 && samples.length < 30) {
      waiting += (await reader.read()).value;
      for (let end; (end = waiting.indexOf("\n\n")) >= 0; waiting = waiting.slice(end + 2)) {
        const data = /^data: (.*)$/m.exec(waiting.slice(0, end));
        if (data === null) continue;
        const sample = JSON.parse(data[1]);
        samples.push(sample);
        seen += sample.routes.filter((one) => one.route === "/api/v1/detect/text").reduce((sum, one) => sum + one.requests, 0);
      }
    }
    await reader.cancel();
    must(seen === 30, `the samples hold ${seen} of 30 requests`);
    must((await counted(server, "http_requests_total", route)) - before.requests === 30, "the counter disagrees");
    const points = samples.reduce((sum, one) => sum + one.spend_points, 0);
    must(Math.abs((await counted(server, "tidegate_spend_points_total", "charged")) - before.points - points) < 1e-6, `the samples hold ${points} points`);
    await page.waitForSelector("td:has-text('/api/v1/detect/text')");
    await page.waitForSelector("table td:has-text('provenance')");
    await judge(page, "live-busy");
    await close(page);
  });

  await check("the page's own figures are the sum of the samples that it was sent", async () => {
    const page = await open(server);
    // The stream's own bytes, as the page reads them.
    await page.addInitScript(() => {
      const real = window.fetch;
      window.samples = [];
      window.fetch = async (...all) => {
        const answer = await real(...all);
        if (!String(all[0]).includes("/performance/live") || answer.body === null) return answer;
        const [mine, theirs] = answer.body.tee();
        void (async () => {
          let text = "";
          const reader = mine.pipeThrough(new TextDecoderStream()).getReader();
          for (;;) {
            const { value, done } = await reader.read();
            if (done) return;
            text += value;
            window.samples = [...text.matchAll(/^data: (.*)$/gm)].flatMap((one) => { try { return [JSON.parse(one[1])]; } catch { return []; } });
          }
        })();
        return new Response(theirs, { status: answer.status, headers: answer.headers });
      };
    });
    await show(page, "/live");
    for (let n = 200; n < 210; ++n) await detect(server, n);
    await until("four samples", () => page.evaluate(() => window.samples.length >= 4));
    const agrees = () =>
      page.evaluate(() => {
        const shown = Object.fromEntries([...document.querySelectorAll(".figure")].map((one) => [one.querySelector("dt").textContent, one.querySelector("dd").firstChild.textContent]));
        const newest = window.samples.slice(-10);
        const seconds = newest.reduce((all, one) => all + one.interval_s, 0);
        const rate = newest.reduce((all, one) => all + one.requests, 0) / seconds;
        const format = (value) => new Intl.NumberFormat("en", { maximumFractionDigits: Math.abs(value) < 10 && value % 1 !== 0 ? 2 : 0 }).format(value);
        return shown["Requests a second"] === format(rate) && shown["In flight"] === format(newest.at(-1).in_flight) && shown.Spend === format(newest.reduce((all, one) => all + one.spend_points, 0));
      });
    // A sample may arrive between the two looks: any moment at which they agree is enough.
    const end = Date.now() + 60_000;
    while (!(await agrees())) {
      must(Date.now() < end, "the page shows other figures than its samples");
      await page.waitForTimeout(50);
    }
    await close(page);
  });
}

export async function decisions(server) {
  await check("decisions are searched, filtered, found by request, and exported", async () => {
    const page = await open(server);
    await show(page, "/decisions");
    await page.waitForSelector("tbody tr");
    const total = (await send(server, "/api/compliance/query", { service: "provenance", limit: 1 })).total;
    await page.fill("input[name=service]", "provenance");
    await page.selectOption("select[name=status]", "success");
    await page.click("button:has-text('Search')");
    await page.waitForSelector(`.note:has-text('of ${total}')`);
    must((await page.$$eval("tbody tr td:nth-child(2)", (all) => all.map((one) => one.textContent))).every((one) => one === "provenance"), "another service is shown");
    await page.click("button:has-text('Export NDJSON')");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("dialog[open] .actions button.main")]);
    const stream = await saved.createReadStream();
    let text = "";
    for await (const chunk of stream) text += chunk;
    const rows = text.trim().split("\n").map((line) => JSON.parse(line));
    must(rows.length >= total && rows.every((row) => row.service === "provenance" || row.service === undefined || row.kind === "event"), `${rows.length} rows of ${total}`);
    await judge(page, "decisions-found");
    const one = (await send(server, "/api/compliance/query", { service: "provenance", limit: 1 })).results[0];
    await page.fill("input[name=id]", one.request_id);
    await page.click("button:has-text('Look up')");
    await page.waitForSelector("text=Where the time went");
    must((await page.textContent("main")).includes(one.input_hash), "the decision's input hash is not shown");
    await close(page);
  });

  await check("an id that nothing has is said to be unknown", async () => {
    const page = await open(server);
    await show(page, "/decisions/nothing-of-that-name");
    await page.waitForSelector(".empty, .trouble");
    must(!/Confidence/.test(await page.textContent("main")), "a decision is shown");
    await close(page);
  });
}

export async function compliance(server) {
  await check("the record is verified from the page, a receipt too, and a forged one is not", async () => {
    const page = await open(server);
    await show(page, "/compliance");
    await page.click("text=Verify now");
    await page.waitForSelector("dd:has-text('sound')", { timeout: 60_000 });
    const one = (await send(server, "/api/compliance/query", { limit: 1 })).results[0];
    const receipt = await (await fetch(`${server.base}/api/compliance/receipt/${one.id}`)).text();
    await page.fill("label:has-text(\"the receipt's text\") textarea", receipt);
    await page.click("text=Verify it");
    await page.waitForSelector("table[aria-label='What the verifier says']");
    await judge(page, "compliance-verified");
    await page.fill("label:has-text(\"the receipt's text\") textarea", receipt.replace(/[0-9a-f]{8}/, "00000000"));
    await page.click("text=Verify it");
    await page.waitForSelector("table[aria-label='What the verifier says'] .badge.bad, .trouble");
    await close(page);
  });

  await check("a report is made from the record, each control with its outcome and its query", async () => {
    const page = await open(server);
    await show(page, "/compliance");
    const [answer] = await Promise.all([page.waitForResponse(/prebuilt\/ai-act/), page.click("button:has-text('Make it')")]);
    const report = await answer.json();
    await page.waitForSelector("details.control");
    must((await page.$$("details.control")).length === report.controls.length, "not every control is shown");
    await page.click("details.control >> nth=0");
    must((await page.textContent("details.control >> nth=0")).includes(report.controls[0].must), "what must be true is not shown");
    await judge(page, "compliance-report");
    await close(page);
  });

  await check("a hold is placed after one question, listed, and released", async () => {
    const page = await open(server);
    await show(page, "/compliance");
    await page.fill("label:has-text('reason of a new hold') input", "case 2026-17");
    await page.click("button:has-text('Hold everything')");
    await page.click("dialog[open] .actions button.main");
    await page.waitForSelector("td:has-text('case 2026-17')");
    const [held] = (await (await fetch(`${server.base}/api/compliance/hold`)).json()).items;
    must(held.active && held.reason === "case 2026-17", JSON.stringify(held));
    await page.screenshot({ path: join(pictures, "compliance-held.png"), fullPage: true });
    await page.click("td button:has-text('Release')");
    await page.click("dialog[open] .actions button.danger");
    await page.waitForSelector("td:has-text('released')");
    await close(page);
  });
}

/** Decisions whose confidence moves from a third to two thirds after the reference and two windows. */
function drifting() {
  const noise = (n) => (((Math.sin(n) * 43758.5453) % 1) + 1) % 1;
  const line = (n) => JSON.stringify({ request_id: `r${n}`, input: `input ${n}`, source: "credit", model: "scorer", model_version: "1", confidence_scores: n < 400 ? { no: 0.9 - noise(n) * 0.3 } : { yes: 0.55 + noise(n) * 0.1 }, processing_time_ms: 5 + (n % 7) });
  return `${Array.from({ length: 900 }, (_, n) => line(n)).join("\n")}\n`;
}

export async function drift() {
  const server = new Server("drift", ["--drift.baseline_decisions", "200", "--drift.window_decisions", "100", "--drift.look_interval_s", "0"]);
  await server.start();
  const told = await fetch(`${server.base}/api/v1/decisions/batch?report=summary`, { method: "POST", headers: { "Content-Type": "application/x-ndjson" }, body: drifting() });
  must((await told.json()).recorded === 900, "the decisions were not recorded");

  await check("a drift is seen by time, leads to its two histograms with n, test and threshold, and has a life", async () => {
    const alerts = async () => (await (await fetch(`${server.base}/api/drift/alerts`)).json()).items;
    const found = await until("an alert of the confidence", async () => (await alerts()).find((one) => one.feature === "confidence"));
    const page = await open(server);
    await show(page, "/drift");
    await page.waitForSelector(".timeline a.span.open");
    await judge(page, "drift-found");
    await page.click(`.timeline a[href="#/drift/alert-${found.id}"]`);
    await page.waitForSelector(".bars .class");
    const shown = await page.textContent("main");
    const { latest } = (await alerts()).find((one) => one.id === found.id);
    must(shown.includes(latest.test) && shown.includes(`threshold ${latest.threshold.toPrecision(3)}`), "test and threshold are not shown");
    must(shown.includes(`before, n = ${latest.reference_n}`) && shown.includes(`now, n = ${latest.n}`), "both histograms' n are not shown");
    must((await page.$$(".bars .class")).length === latest.what_changed.length, "not every class is drawn");
    await judge(page, "drift-alert");
    await page.click("button:has-text('Acknowledge')");
    await page.click("dialog[open] .actions button.main");
    await page.waitForSelector(".badge.warn:has-text('acknowledged')");
    await page.waitForSelector("[aria-label='Changes of state'] td:has-text('acknowledged')");
    await page.goto(`${server.base}/dashboard#/drift/${found.stream}`);
    await page.waitForSelector("[aria-label='Features of the last look'] tbody tr");
    await judge(page, "drift-stream");
    await close(page);
  });
  await server.stop();
}
