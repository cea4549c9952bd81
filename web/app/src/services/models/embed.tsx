// Texts as vectors: what /v1/embeddings answers for one text or two, and the cosine of the two vectors that came.
import { useEffect, useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { count, duration } from "../../lib/format";
import { Card, Figure, Figures, Trouble } from "../../ui/basic";
import { Stages } from "../../ui/stages";
import { cosine } from "./tensor";
import type { Sent } from "./tensors";

interface Embeddings {
  data: { index: number; embedding: number[] }[];
  model: string;
  usage: { prompt_tokens: number };
}

/** The vector's numbers as columns up and down from a line; the text beside it says its size. */
function Vector(props: { name: string; values: number[] }) {
  const most = Math.max(...props.values.map(Math.abs), 1e-12);
  const width = 600 / props.values.length;
  return (
    <figure class="vector">
      <figcaption>
        {props.name}: {count(props.values.length)} numbers, length {Math.sqrt(props.values.reduce((all, x) => all + x * x, 0)).toFixed(4)}
      </figcaption>
      <svg viewBox="0 0 600 60" preserveAspectRatio="none" role="img" aria-label={`${props.name}, ${props.values.length} numbers between ${(-most).toPrecision(3)} and ${most.toPrecision(3)}`}>
        {props.values.map((x, at) => (
          <rect key={at} x={at * width} width={Math.max(0.5, width * 0.8)} y={x >= 0 ? 30 - (x / most) * 30 : 30} height={(Math.abs(x) / most) * 30} class={x >= 0 ? "up" : "down"} />
        ))}
      </svg>
      <code class="head">
        [{props.values.slice(0, 8).join(", ")}
        {props.values.length > 8 ? ", \u2026" : ""}]
      </code>
    </figure>
  );
}

export function Embed(props: { model: string; note?: string; onRequest: (sent: Sent | undefined) => void }) {
  const [texts, setTexts] = useState(["", ""]);
  const [answer, setAnswer] = useState<{ value: Embeddings; headers: Headers; milliseconds: number; asked: string[] } | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const given = texts.filter((text) => text.trim() !== "");
  useEffect(
    () => props.onRequest(given.length === 0 ? undefined : { path: "/v1/embeddings", body: JSON.stringify({ model: props.model, input: given[0] }) }),
    [props.model, given[0]],
  );
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const got = await ask<Embeddings>("/v1/embeddings", { body: { model: props.model, input: given }, headers: { "X-Trace": "true" } });
      setAnswer({ ...got, asked: given });
    } catch (reason) {
      setAnswer(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  const vectors = answer?.value.data.map((one) => one.embedding) ?? [];
  const [a, b] = vectors;
  const near = a !== undefined && b !== undefined ? cosine(a, b) : undefined;
  return (
    <>
      <Card title="Texts" note={props.note ?? "POST /v1/embeddings"} wide>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <div class="pair">
            {["one text", "another, to compare"].map((label, at) => (
              <label class="field" key={label}>
                <span>{label}</span>
                <textarea rows={3} class="short" value={texts[at]} onInput={(event) => setTexts(texts.map((old, which) => (which === at ? (event.target as HTMLTextAreaElement).value : old)))} />
              </label>
            ))}
          </div>
          <button class="main" type="submit" disabled={busy || given.length === 0}>
            {busy ? "Asking\u2026" : "Embed"}
          </button>
        </form>
        <Trouble error={error} />
      </Card>
      {answer === undefined ? null : (
        <>
          <Card title="Vectors" note={`by ${answer.value.model}`}>
            <Figures>
              {answer.asked.length < 2 ? null : <Figure label="Cosine" value={near === undefined ? "none" : near.toFixed(4)} note="computed here from the two vectors" />}
              <Figure label="Tokens" value={count(answer.value.usage.prompt_tokens)} />
              <Figure label="Answered in" value={duration(answer.milliseconds)} note="seen from this page" />
            </Figures>
            {vectors.map((values, at) => (
              <Vector key={at} name={`text ${at + 1}`} values={values} />
            ))}
            <p class="note">
              Recorded under request <a href={`#/decisions/${encodeURIComponent(answer.headers.get("x-request-id") ?? "")}`}>{answer.headers.get("x-request-id")}</a>.
            </p>
          </Card>
          <Card title="Where the time went" note="Server-Timing of this answer">
            <Stages header={answer.headers.get("server-timing")} />
          </Card>
        </>
      )}
    </>
  );
}
