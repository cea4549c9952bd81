// No invented number: every figure of every page comes from an answer, and changes when the answers change.
import { check, close, must, open, show } from "./harness.mjs";

const FIGURES = ".figure dd, td.number, .counts .number, .stages b, figcaption, svg text";

/** The texts that stand where measured figures stand. */
const figures = (page) => page.$$eval(FIGURES, (places) => places.map((place) => [...place.childNodes].filter((one) => one.nodeName !== "SMALL").map((one) => one.textContent).join("").trim()).filter((text) => text !== ""));

/** Answers every request of the page's scripts; the page itself comes from the server. */
async function answer(page, reply) {
  await page.route("**/*", (route) => {
    const path = new URL(route.request().url()).pathname;
    return path.startsWith("/dashboard") ? route.continue() : reply(route);
  });
}

/** Of the lists in the answers to the page that is looked at: how many there are of something is a figure that no number says. */
const lengths = new Set();

const perturbed = (value, salt) => {
  let step = salt;
  const change = (one) => {
    if (Array.isArray(one)) {
      lengths.add(String(one.length));
      return one.map(change);
    }
    if (typeof one === "object" && one !== null) return Object.fromEntries(Object.entries(one).map(([name, member]) => [name, change(member)]));
    if (typeof one === "string" && /^\d+(\.\d+)+$/.test(one)) return `${one}.${salt}`;  // A version is a figure as well.
    if (typeof one !== "number") return one;
    step += 1;
    // Shares stay shares; what counts stays whole; each moves by another amount, so that no ratio of two stays as it was.
    if (!Number.isInteger(one)) return one < 1 && one > 0 ? (one * 7919 + step * 0.618 + salt * 0.37) % 1 : one * (1.3 + (salt % 7) * 0.61 + ((step * salt) % 11) / 7);
    // Large ones by a share as well: three digits of them are shown.
    return one === 0 ? 0 : Math.round(one * (1.1 + (salt % 7) * 0.61)) + 1 + salt * (1 + (step % 13));
  };
  return change(value);
};

/** The same answers with every number moved; event streams give one such event and end. */
async function shifted(page, salt) {
  await answer(page, async (route) => {
    if (route.request().url().includes("/performance/live")) {
      const reader = (await fetch(route.request().url())).body.pipeThrough(new TextDecoderStream()).getReader();
      let got = "";
      // The line's end as well.
      while (!/^data: .*\n/m.test(got)) got += (await reader.read()).value;
      await reader.cancel();
      const sample = JSON.parse(/^data: (.*)$/m.exec(got)[1]);
      return route.fulfill({ contentType: "text/event-stream", body: `event: sample\ndata: ${JSON.stringify(perturbed(sample, salt))}\n\n` });
    }
    const response = await route.fetch();
    const type = response.headers()["content-type"] ?? "";
    if (!type.includes("json")) return route.fulfill({ response });
    return route.fulfill({ response, body: JSON.stringify(perturbed(await response.json(), salt)) });
  });
}

export async function noInventedNumber(server, addresses, key) {
  await check("without a single answer no page shows a figure", async () => {
    for (const address of addresses) {
      const page = await open(server, { key });
      await answer(page, (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: '{"title":"Service Unavailable","detail":"nothing is answered"}' }));
      await show(page, address);
      const found = (await figures(page)).filter((text) => /\d/.test(text));
      must(found.length === 0, `${address}: ${found.join(", ")}`);
      must((await page.$$("canvas, .heat, .bars, .counts tr")).length === 0, `${address} draws without data`);
      must(page.errors.length === 0, `${address}: ${page.errors.join(" | ")}`);
      await close(page);
    }
  });

  await check("every figure changes when the answers change", async () => {
    for (const address of addresses) {
      const seen = [];
      lengths.clear();
      for (const salt of [3, 1009]) {
        const page = await open(server, { key });
        await shifted(page, salt);
        await show(page, address);
        seen.push(await figures(page));
        must(page.errors.length === 0, `${address}: ${page.errors.join(" | ")}`);
        await close(page);
      }
      // A figure that stands at the same place with the same digits, whatever the server said, was not asked for. Zero stays zero, a list's
      // share of one thing is all of it, a list's length its length, and a time that is not moved stays as it was.
      const same = seen[0].filter((text, at) => /\d/.test(text) && text === seen[1][at] && !/^(> |< |over |under )?0([.]0+)?( [%A-Za-z\u00b5]+)?$|^100 %|\d\d:\d\d|never|n = 0/.test(text) && !lengths.has(text));
      must(same.length === 0, `${address}: ${same.join(" | ")}`);
    }
  });

  await check("the built page holds no figure of its own", async () => {
    const read = async (path) => (await fetch(`${server.base}/dashboard${path}`)).text();
    const [, entry] = /src="\/dashboard(\/assets\/[^"]+\.js)"/.exec(await read("")) ?? [];
    must(entry !== undefined, "the page names no script");
    const main = await read(entry);
    // What is fetched when a service's page is opened is named in the first script.
    const parts = [...new Set([...main.matchAll(/(?:\.|assets)\/([\w-]+\.js)/g)].map(([, name]) => `/assets/${name}`))].filter((name) => name !== entry);
    must(parts.length >= 3, `parts: ${parts.join(" ")}`);
    const pack = [main, ...(await Promise.all(parts.map(read)))].join("\n");
    const found = [...pack.matchAll(/label:("[^"]*"|`[^`]*`),value:("[^"]*\d[^"]*"|`[^`$]*\d[^`$]*`|-?[\d.]+)[,}]/g)].map((one) => one[0]);
    must(found.length === 0, found.slice(0, 5).join(" "));
  });
}
