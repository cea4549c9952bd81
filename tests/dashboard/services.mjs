// The try-it pages: each shows what the server answered, figure by figure.
import { check, close, holds, judge, must, open, pictures, runtime, sentence, show, violations } from "./harness.mjs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";

export async function text(server) {
  await check("a pasted text is judged, and the page shows what the server answered", async () => {
    const page = await open(server);
    await show(page, "/try/text");
    await page.fill("#text", sentence(77));
    const [answer] = await Promise.all([page.waitForResponse(/detect\/text/), page.click("text=Judge it")]);
    const body = await answer.json();
    await page.waitForSelector(".sentences mark");
    const shown = await page.textContent("main");
    must(shown.includes(body.analysis_id), "the id of the decision is not shown");
    must(shown.includes(`${Math.round(body.confidence * 100)} % likely a machine`), "the share is not the server's");
    must((await page.$$(".signals > div")).length === body.signals.length, "not every signal is shown");
    await judge(page, "try-text-answer");
    await page.click(`a[href="#/decisions/${body.analysis_id}"]`);
    await page.waitForSelector("text=Proof");
    await page.waitForSelector("text=signed root");
    await judge(page, "decision");
    await page.click("text=Find the same input");
    await page.waitForSelector("text=Decisions about the same input");
    const [saved] = await Promise.all([page.waitForEvent("download"), page.click("text=Save the receipt")]);
    must(saved.suggestedFilename().includes(body.analysis_id), saved.suggestedFilename());
    await close(page);
  });

  await check("a text that is refused is shown as the server's refusal", async () => {
    const page = await open(server);
    await show(page, "/try/text");
    await page.fill("#text", "x".repeat(60_000));
    await page.click("text=Judge it");
    await page.waitForSelector(".trouble");
    must(/422|Unprocessable|Content/.test(await page.textContent(".trouble")), await page.textContent(".trouble"));
    must((await page.$$(".sentences")).length === 0, "an answer stands beside the refusal");
    await close(page);
  });
}

export async function content(server) {
  await check("texts are stored, a question is answered in their sentences with the places marked, another is not in the sources", async () => {
    const page = await open(server);
    await show(page, "/try/content");
    await page.click("text=Store the texts");
    await page.waitForSelector(".import-report");
    const [answer] = await Promise.all([page.waitForResponse(/query\/rag/), page.click("text=Ask the texts")]);
    const found = await answer.json();
    await page.waitForSelector(".citations li");
    must(found.answer.citations.length > 0, "nothing was cited");
    must((await page.$$(".citations li")).length === found.answer.citations.length, "not every citation is shown");
    must((await page.textContent(".citations li")).includes(found.answer.citations[0].text), "the citation is not the server's");
    must((await page.textContent("mark.cited")) === found.answer.citations[0].text || (await page.$$("mark.cited")).length === found.answer.citations.length, "the cited sentences are not marked");
    must((await page.textContent("main")).includes(found.decision_id), "the id of the decision is not shown");
    await judge(page, "try-content-answer");
    await page.fill("#content-question", "Which enzyme repairs broken strands of DNA?");
    await page.click("text=Ask the texts");
    await page.waitForSelector(".no-answer");
    await page.fill("#content-question", "");
    await page.click("text=Ask the texts");
    await page.waitForSelector(".trouble");
    await close(page);
  });
}

export async function flood(server) {
  await check("a place is judged, the drivers add up, and a reading of a sensor gets its flags", async () => {
    const page = await open(server);
    await show(page, "/try/flood");
    const [answer] = await Promise.all([page.waitForResponse(/predict\/flood-risk/), page.click("text=Judge the place")]);
    const risk = await answer.json();
    await page.waitForSelector(".drivers td");
    const shown = await page.textContent("main");
    must(shown.includes(risk.decision_id), "the id of the decision is not shown");
    must(shown.includes(risk.risk_level.replaceAll("_", " ")), "the level is not the server's");
    must((await page.$$(".drivers tr")).length === risk.drivers.length + 2, "not every driver is shown");
    const sum = risk.drivers.reduce((all, driver) => all + driver.contribution, risk.baseline);
    must(Math.abs(sum - risk.log_odds) < 1e-4, `the drivers add up to ${sum}, not to ${risk.log_odds}`);
    const [verdict] = await Promise.all([page.waitForResponse(/predict\/anomaly/), page.click("text=Judge the reading")]);
    const reading = await verdict.json();
    await page.waitForSelector(".verdict");
    must((await page.textContent(".verdict")).includes(`gross range: ${reading.quality_flags.gross_range.replaceAll("_", " ")}`), "the flags are not the server's");
    await judge(page, "try-flood-answer");
    await page.fill("#place-latitude", "91");
    await page.click("text=Judge the place");
    await page.waitForSelector(".trouble");
    must((await page.$$(".drivers")).length === 0, "an answer stands beside the refusal");
    await close(page);
  });
}

export async function speech(server) {
  await check("a recording is transcribed, its words stand with their times, and what is no recording is refused", async () => {
    const page = await open(server);
    await show(page, "/try/speech");
    const sound = join(pictures, "..", "said.wav");
    execFileSync("flite", ["-voice", "awb", "-t", "please call the manager. the train was late", "-o", sound]);
    await page.setInputFiles("input[type=file]", sound);
    const [answer] = await Promise.all([page.waitForResponse(/api\/v1\/transcribe$/), page.click("text=Transcribe it")]);
    const session = await answer.json();
    await page.waitForSelector(".segments td");
    const shown = await page.textContent("main");
    must(shown.includes(session.session_id), "the session is not shown");
    for (const one of session.transcript.segments) must(shown.includes(one.text), `not shown: ${one.text}`);
    must(shown.includes(`${Math.round(session.metadata.measured.word_error_rate * 100)} %`), "the measured figure is not the server's");
    must((await page.$$(".segments span[title]")).length === session.transcript.segments.flatMap((one) => one.words).length, "not every word has its time");
    await judge(page, "try-speech-answer");
    await page.setInputFiles("input[type=file]", { name: "no.wav", mimeType: "audio/wav", buffer: Buffer.from("no sound at all") });
    await page.click("text=Transcribe it");
    await page.waitForSelector(".trouble");
    must((await page.$$(".segments")).length === 0, "an answer stands beside the refusal");
    await close(page);
  });
}

/** Values of a table of the page, row by row. */
const cells = (page, selector) => page.$$eval(`${selector} tr`, (rows) => rows.map((row) => [...row.querySelectorAll("td.number")].map((cell) => cell.textContent.trim())));

export async function models(server) {
  if (runtime === "") {
    await check("without a runtime the models page says so", async () => {
      const page = await open(server);
      await show(page, "/try/models");
      await page.waitForSelector(".notice:has-text('cannot run here')");
      await close(page);
    });
    return;
  }

  await check("a model answers typed values with what the page shows", async () => {
    const page = await open(server);
    await show(page, "/try/models/doubling");
    await page.selectOption("fieldset select", "typed");
    await page.fill("fieldset textarea", "[1.5, -2, 30, 0.25]");
    const [answer] = await Promise.all([page.waitForResponse(/models\/doubling\/infer/), page.click("button:has-text('Send it')")]);
    const body = await answer.json();
    must(JSON.stringify(body.outputs[0].data) === "[3,-4,60,0.5]", JSON.stringify(body.outputs));
    await page.waitForSelector(".values td");
    must(JSON.stringify(await cells(page, ".values")) === '[["3","-4","60","0.5"]]', JSON.stringify(await cells(page, ".values")));
    const shown = await page.textContent("main");
    must(shown.includes(`version ${body.model_version}`), "the version is not shown");
    must(/SHA-256 [0-9a-f]{64}/.test(shown), "the file's SHA-256 is not shown");
    const timing = answer.headers()["server-timing"];
    must(/compute;dur=/.test(timing), timing);
    must((await page.textContent(".stages")).includes("compute"), "the stages are not shown");
    await judge(page, "try-models-answer");
    await close(page);
  });

  await check("values that do not fit the shape are not sent, and zeros are called zeros", async () => {
    const page = await open(server);
    await show(page, "/try/models/doubling");
    must(/Zeros, 4 of them: enough to see that the model answers, no input of anybody's/.test(await page.textContent("main")), "zeros are not called zeros");
    await page.selectOption("fieldset select", "typed");
    await page.fill("fieldset textarea", "[1, 2]");
    must(/asks for 4 values, the list has 2/.test(await page.textContent("main")), await page.textContent("fieldset"));
    must(await page.isDisabled("button:has-text('Send it')"), "it could be sent");
    await close(page);
  });

  await check("a model's refusal is shown in its own words", async () => {
    const page = await open(server);
    await show(page, "/try/models/doubling");
    await page.selectOption("fieldset select", "typed");
    await page.fill("fieldset textarea", '["a", "b", "c", "d"]');
    const [answer] = await Promise.all([page.waitForResponse(/models\/doubling\/infer/), page.click("button:has-text('Send it')")]);
    must(answer.status() === 400, String(answer.status()));
    await page.waitForSelector(".trouble");
    must((await page.textContent(".trouble")).includes((await answer.json()).error.replaceAll("`", "")), await page.textContent(".trouble"));
    must((await page.$$(".values")).length === 0, "an answer stands beside the refusal");
    await close(page);
  });

  await check("many at once form batches, and the page shows the sizes that the server counted", async () => {
    const counted = async () => (await (await fetch(`${server.base}/v2/models/slow/stats`)).json()).model_stats[0];
    const page = await open(server);
    await show(page, "/try/models/slow");
    await page.waitForSelector("text=no pass of the model since this page was opened");
    const before = await counted();
    await page.fill("input[max='64']", "48");
    await page.click("text=Send 48 at once");
    await page.waitForSelector(".figure.good:has-text('48 of 48')", { timeout: 60_000 });
    const after = await counted();
    must(after.inference_count - before.inference_count === 48, "the server counted another number of rows");
    const passes = after.execution_count - before.execution_count;
    must(passes < 48, "no two requests shared a pass");
    // The statistics are asked once a second.
    await holds(page, (n) => [...document.querySelectorAll(".counts[aria-label='Passes by rows since this page was opened'] td.number:not(.share)")].reduce((all, cell) => all + Number(cell.textContent), 0) === n, passes);
    const sizes = await page.$$eval(".counts[aria-label='Passes by rows since this page was opened'] tr", (rows) => rows.map((row) => [parseInt(row.querySelector("th").textContent, 10), Number(row.querySelector("td.number").textContent)]));
    must(sizes.reduce((all, [size, n]) => all + size * n, 0) === 48, `rows by size: ${JSON.stringify(sizes)}`);
    must(sizes.some(([size]) => size > 1), `sizes: ${JSON.stringify(sizes)}`);
    await judge(page, "try-models-batches");
    await close(page);
  });
}

export async function embeddings(server) {
  await check("texts become vectors, and the cosine is of the vectors that came", async () => {
    const page = await open(server);
    await show(page, "/try/models/tidegate-hash-embed-1");
    await page.fill("textarea >> nth=0", "The tide comes in at noon.");
    await page.fill("textarea >> nth=1", "The tide goes out at noon.");
    const [answer] = await Promise.all([page.waitForResponse(/v1\/embeddings/), page.click("button:has-text('Embed')")]);
    const [a, b] = (await answer.json()).data.map((one) => one.embedding);
    const dot = (x, y) => x.reduce((all, value, at) => all + value * y[at], 0);
    const wanted = (dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toFixed(4);
    await page.waitForSelector(".vector");
    must((await page.textContent(".figures")).includes(wanted), `${await page.textContent(".figures")} without ${wanted}`);
    must((await page.textContent(".vector .head")).includes(String(a[0])), "the vector's first number is not shown");
    await judge(page, "try-embedding");
    await close(page);
  });
}

export async function gateway(server, upstream) {
  await check("a request through the gateway shows what came back, first a miss and then a hit", async () => {
    const page = await open(server);
    await show(page, "/try/gateway/score");
    await page.waitForSelector("text=Upstream scorer");
    const ask = async () => {
      const [answer] = await Promise.all([page.waitForResponse(/\/score$/), page.click("button:has-text('Send it')")]);
      await page.waitForSelector(`.figure dd:has-text('${answer.headers()["x-cache"]}')`);
      return answer;
    };
    const first = await ask();
    must(first.headers()["x-cache"] === "MISS", first.headers()["x-cache"]);
    must((await page.textContent("pre")).includes('"asked": "/score"'), await page.textContent("pre"));
    must((await page.textContent("main")).includes("x-upstream"), "the upstream's header field is not shown");
    const second = await ask();
    must(second.headers()["x-cache"] === "HIT", second.headers()["x-cache"]);
    must(upstream.asked() === 1, `the upstream was asked ${upstream.asked()} times`);
    await judge(page, "try-gateway-hit");
    await close(page);
  });

  await check("an upstream that fails is shown as it failed, and its breaker as it stands", async () => {
    const page = await open(server);
    await show(page, "/try/gateway/open_score");
    await page.fill("input >> nth=1", "no/such");
    upstream.fail(true);
    const [answer] = await Promise.all([page.waitForResponse(/\/scorer\/no\/such$/), page.click("button:has-text('Send it')")]);
    must(answer.status() >= 500, String(answer.status()));
    await page.waitForSelector(`.badge.bad:has-text('${answer.status()}')`);
    const health = await (await fetch(`${server.base}/health`)).json();
    await page.waitForSelector(`td .badge:has-text('${health.upstreams[0].targets[0].breaker.replaceAll("_", " ")}')`);
    upstream.fail(false);
    await page.screenshot({ path: join(pictures, "try-gateway-failed.png"), fullPage: true });
    must((await violations(page)).length === 0, (await violations(page)).join(" | "));
    await close(page);
  });
}
