// Try it: a route of the settings, the upstream behind it, and a request through it; what comes back is shown as it came.
import { useEffect, useState } from "preact/hooks";
import { exchange, type Exchange } from "../../lib/api";
import { bytes, count, duration, NOTHING } from "../../lib/format";
import { useFetch } from "../../lib/hooks";
import { filled, placesIn, proxiedRoutes, type ApiDocument, type ProxiedRoute, type Upstream } from "../../lib/upstreams";
import { Badge, Card, Empty, Field, Figure, Figures, Title, Trouble, type Tone } from "../../ui/basic";
import { Stages } from "../../ui/stages";
import { UpstreamCard } from "../../ui/upstream";
import type { ServiceProps } from "../service";

const EXAMPLE = 'upstreams:\n  app:\n    targets: [{url: "http://127.0.0.1:9000"}]\nroutes:\n  all: {path: "/app/{rest...}", strip_prefix: /app, upstream: app}';
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const TEXT_MAX = 20_000;
const CACHE: Record<string, Tone> = { HIT: "good", STALE: "warn", MISS: "plain", BYPASS: "plain" };

interface Answered {
  asked: string;
  got: Exchange;
  text: string | undefined;
  picture: string | undefined;
}

function pretty(text: string, type: string): string {
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}\n(the first ${count(TEXT_MAX)} of ${count(text.length)} characters)` : text;
  if (!type.includes("json") || text.length > TEXT_MAX) return cut;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return cut;
  }
}

function AnswerCards(props: { answered: Answered }) {
  const { got, text, picture, asked } = props.answered;
  const type = got.headers.get("content-type") ?? "";
  const cache = got.headers.get("x-cache");
  const tone: Tone = got.status < 400 ? "good" : got.status < 500 ? "warn" : "bad";
  return (
    <>
      <Card title="Answer" note={asked} actions={<Badge tone={tone}>{`${got.status} ${got.statusText}`.trim()}</Badge>} wide>
        <Figures>
          <Figure label="Answered in" value={duration(got.milliseconds)} note="seen from this page" />
          <Figure label="Cache" value={cache ?? NOTHING} tone={CACHE[cache ?? ""] ?? "plain"} note={got.headers.get("cache-status") ?? "no Cache-Status"} />
          <Figure label="Age" value={got.headers.get("age") === null ? NOTHING : `${got.headers.get("age")} s`} />
          <Figure label="Cost" value={got.headers.get("x-spend-cost") ?? NOTHING} note="points" />
          <Figure label="Body" value={bytes(got.body.size)} note={type === "" ? "no type" : type} />
        </Figures>
        {picture !== undefined ? <img class="picture" src={picture} alt="The picture that was answered" /> : null}
        {text === undefined ? (picture === undefined && got.body.size > 0 ? <p class="note">The body is neither text nor a picture; its size and type stand above.</p> : null) : text === "" ? <p class="note">The body is empty.</p> : <pre tabIndex={0}>{pretty(text, type)}</pre>}
      </Card>
      <Card title="Header fields" note="those the browser lets a page see">
        <table>
          <tbody>
            {[...got.headers.entries()].map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="wrap">
                  <code>{value}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
      <Card title="Where the time went" note="Server-Timing of this answer">
        <Stages header={got.headers.get("server-timing")} />
      </Card>
    </>
  );
}

function RouteForm(props: { route: ProxiedRoute; onDone: () => void }) {
  const { route } = props;
  const places = placesIn(route.path);
  const [values, setValues] = useState<Record<string, string>>({});
  const [method, setMethod] = useState(route.methods[0] ?? "GET");
  const [query, setQuery] = useState("");
  const [type, setType] = useState("application/json");
  const [body, setBody] = useState("");
  const [answered, setAnswered] = useState<Answered | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [fresh, setFresh] = useState(false);
  const [busy, setBusy] = useState(false);
  const path = filled(route.path, values) + (query === "" ? "" : `?${query.replace(/^\?/, "")}`);
  const hasBody = !["GET", "HEAD", "OPTIONS"].includes(method);
  useEffect(() => () => { if (answered?.picture !== undefined) URL.revokeObjectURL(answered.picture); }, [answered]);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const got = await exchange(path, { method, headers: { "X-Trace": "true", ...(fresh ? { "Cache-Control": "no-cache" } : {}), ...(hasBody && body !== "" ? { "Content-Type": type } : {}) }, ...(hasBody && body !== "" ? { raw: body } : {}) });
      const is = got.headers.get("content-type") ?? "";
      const isText = is === "" || /json|text|xml|javascript|yaml|urlencoded/.test(is);
      setAnswered({
        asked: `${method} ${path}`,
        got,
        text: isText ? await got.body.text() : undefined,
        picture: /^image\/(png|jpeg|gif|webp|avif)/.test(is) ? URL.createObjectURL(got.body) : undefined,
      });
    } catch (reason) {
      setAnswered(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
    props.onDone();
  };
  return (
    <>
      <Card title="Request" wide>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <div class="fields">
            <Field label="method">
              <select value={method} onChange={(event) => setMethod((event.target as HTMLSelectElement).value)}>
                {METHODS.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            </Field>
            {places.map((name) => (
              <Field key={name} label={name}>
                <input value={values[name] ?? ""} onInput={(event) => setValues({ ...values, [name]: (event.target as HTMLInputElement).value })} />
              </Field>
            ))}
            <Field label="query">
              <input value={query} placeholder="a=1&b=2" onInput={(event) => setQuery((event.target as HTMLInputElement).value)} />
            </Field>
            <label class="check">
              <input type="checkbox" checked={fresh} onChange={(event) => setFresh((event.target as HTMLInputElement).checked)} />
              past the cache
            </label>
            {hasBody ? (
              <Field label="body's type">
                <input value={type} onInput={(event) => setType((event.target as HTMLInputElement).value)} />
              </Field>
            ) : null}
          </div>
          {hasBody ? (
            <label class="field wide-field">
              <span>body</span>
              <textarea class="code" rows={5} spellcheck={false} value={body} onInput={(event) => setBody((event.target as HTMLTextAreaElement).value)} />
            </label>
          ) : null}
          <div class="fields">
            <button class="main" type="submit" disabled={busy}>
              {busy ? "Asking\u2026" : "Send it"}
            </button>
            <code class="note">
              {method} {path}
            </code>
          </div>
        </form>
        <Trouble error={error} />
      </Card>
      {answered === undefined ? null : <AnswerCards answered={answered} />}
    </>
  );
}

export function Page(props: ServiceProps) {
  const document = useFetch<ApiDocument>("/openapi.json");
  const health = useFetch<{ upstreams: Upstream[] }>("/health", 2000);
  const upstreams = health.value?.upstreams ?? [];
  const routes = document.value === undefined || health.value === undefined ? undefined : proxiedRoutes(document.value, upstreams);
  const wanted = decodeURIComponent(props.rest);
  const route = routes?.find((one) => one.operation === wanted) ?? (wanted === "" ? routes?.[0] : undefined);
  const upstream = upstreams.find((one) => one.name === route?.upstream);
  return (
    <>
      <Title text="Gateway" note="A route of the settings that leads to another service: ask through it and see what came back, from where.">
        <a href="#/upstreams">All upstreams</a>
      </Title>
      <Trouble error={document.error ?? health.error} />
      {routes === undefined ? null : routes.length === 0 ? (
        <Card>
          <Empty what="no route of the settings leads to an upstream. A few lines of YAML put this server in front of a service:" command={EXAMPLE} />
        </Card>
      ) : (
        <div class="grid">
          <Card wide>
            <div class="fields">
              <Field label="route">
                <select value={route?.operation ?? ""} onChange={(event) => (window.location.hash = `/try/gateway/${encodeURIComponent((event.target as HTMLSelectElement).value)}`)}>
                  {routes.map((one) => (
                    <option key={one.operation} value={one.operation}>
                      {one.operation}
                    </option>
                  ))}
                </select>
              </Field>
              {route === undefined ? null : (
                <p class="note identity">
                  <code>{route.path}</code> to upstream {route.upstream === "" ? "unknown" : route.upstream}
                  {route.spend_points === undefined ? "" : `; ${count(route.spend_points)} ${route.spend_points === 1 ? "point" : "points"} a request`}
                </p>
              )}
            </div>
          </Card>
          {route === undefined ? <Empty what={`no route is called ${wanted}.`} /> : <RouteForm key={route.operation} route={route} onDone={health.reload} />}
          {upstream === undefined ? null : <UpstreamCard upstream={upstream} wide />}
        </div>
      )}
    </>
  );
}
