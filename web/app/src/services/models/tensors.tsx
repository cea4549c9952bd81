// One request to a model: a field for each declared input, the answer's tensors, its times, its batch.
import { useEffect, useState } from "preact/hooks";
import { ask, parseExact } from "../../lib/api";
import { count, duration } from "../../lib/format";
import { Badge, Card, Figure, Figures, Trouble } from "../../ui/basic";
import { FilePick } from "../../ui/files";
import { Stages } from "../../ui/stages";
import { batchOf, draftOf, faultOf, requestText, rowsOf, shapeText, sizeOf, type Declared, type Draft, type Inferred, type Output } from "./tensor";

const ROWS_SHOWN = 32;
const COLUMNS_SHOWN = 16;

function Input(props: { input: Declared; draft: Draft; onChange: (draft: Draft) => void }) {
  const { input, draft } = props;
  const id = `input-${input.name}`;
  const fault = faultOf(draft);
  return (
    <fieldset class="tensor">
      <legend>
        <code>{input.name}</code> <Badge tone="plain">{input.datatype}</Badge> <span class="note">declared: {shapeText(input.shape)}</span>
      </legend>
      <div class="fields">
        {input.shape.map((dimension, at) => (
          <label class="field" key={at}>
            <span>dimension {at + 1}</span>
            <input
              type="number"
              min="0"
              class="narrow"
              value={draft.shape[at]}
              disabled={dimension >= 0}
              onInput={(event) => props.onChange({ ...draft, shape: draft.shape.map((old, which) => (which === at ? Number((event.target as HTMLInputElement).value) : old)) })}
            />
          </label>
        ))}
        <label class="field">
          <span>values</span>
          <select value={draft.from} onChange={(event) => props.onChange({ ...draft, from: (event.target as HTMLSelectElement).value as Draft["from"] })}>
            <option value="zeros">zeros</option>
            <option value="typed">my own</option>
          </select>
        </label>
      </div>
      {draft.from === "zeros" ? (
        <p class="note">
          {input.datatype === "BYTES" ? "Empty texts" : "Zeros"}, {count(sizeOf(draft.shape))} of them: enough to see that the model answers, no input of anybody's.
        </p>
      ) : (
        <>
          <label for={id}>
            {input.name} as JSON: {count(sizeOf(draft.shape))} values, flat or nested
          </label>
          <textarea id={id} class="code" rows={4} spellcheck={false} value={draft.text} onInput={(event) => props.onChange({ ...draft, text: (event.target as HTMLTextAreaElement).value })} />
          <FilePick label="JSON file" accept=".json,application/json" bytes_max={20_000_000} onFile={(file) => void file.text().then((text) => props.onChange({ ...draft, text }))} />
        </>
      )}
      {fault === undefined || (draft.from === "typed" && draft.text === "") ? null : <p class="fault">{fault}</p>}
    </fieldset>
  );
}

function OutputTensor(props: { output: Output }) {
  const { output } = props;
  const rows = rowsOf(output, ROWS_SHOWN);
  const all = sizeOf(output.shape);
  const width = rows[0]?.length ?? 0;
  return (
    <section>
      <h3>
        <code>{output.name}</code> <Badge tone="plain">{output.datatype}</Badge> <span class="note">{shapeText(output.shape)}</span>
      </h3>
      {output.data === undefined ? (
        <p class="empty">The answer holds no values of it.</p>
      ) : (
        <div class="scroll values" tabIndex={0} role="region" aria-label={`Values of ${output.name}`}>
          <table>
            <tbody>
              {rows.map((row, at) => (
                <tr key={at}>
                  <th scope="row">{at}</th>
                  {row.slice(0, COLUMNS_SHOWN).map((value, which) => (
                    <td class="number" key={which}>
                      {String(value)}
                    </td>
                  ))}
                  {row.length > COLUMNS_SHOWN ? <td class="note">and {count(row.length - COLUMNS_SHOWN)} more</td> : null}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows.length * width < all ? (
        <p class="note">
          The first {count(rows.length)} rows of {count(width === 0 ? 0 : all / width)} are shown.
        </p>
      ) : null}
    </section>
  );
}

export interface Sent {
  body: string;
  path: string;
}

/** The form for one model. `onRequest` is told what would be sent now; undefined while it cannot be. */
export function Tensors(props: { model: string; inputs: Declared[]; version: string; sha256: string; onRequest: (sent: Sent | undefined) => void }) {
  const [drafts, setDrafts] = useState<Draft[]>(() => props.inputs.map(draftOf));
  const [answer, setAnswer] = useState<{ read: Inferred; raw: string; headers: Headers; milliseconds: number } | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const sound = drafts.every((draft) => faultOf(draft) === undefined);
  const path = `/v2/models/${encodeURIComponent(props.model)}/infer`;
  useEffect(() => props.onRequest(sound ? { path, body: requestText(props.inputs, drafts) } : undefined), [drafts, path]);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const got = await ask<string>(path, { raw: requestText(props.inputs, drafts), headers: { "Content-Type": "application/json", "X-Trace": "true" }, text: true });
      setAnswer({ read: parseExact(got.value) as Inferred, raw: got.value, headers: got.headers, milliseconds: got.milliseconds });
    } catch (reason) {
      setAnswer(undefined);
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  const timing = answer?.headers.get("server-timing") ?? null;
  const batch = batchOf(timing);
  return (
    <>
      <Card title="Input" note="Open Inference Protocol v2, JSON" wide>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          {props.inputs.map((input, at) => (
            <Input key={input.name} input={input} draft={drafts[at] ?? draftOf(input)} onChange={(draft) => setDrafts(drafts.map((old, which) => (which === at ? draft : old)))} />
          ))}
          <button class="main" type="submit" disabled={busy || !sound}>
            {busy ? "Asking\u2026" : "Send it"}
          </button>
        </form>
        <Trouble error={error} />
      </Card>
      {answer === undefined ? null : (
        <>
          <Card title="Answer" note={`${answer.read.model_name}, version ${answer.read.model_version}`}>
            <Figures>
              <Figure label="Answered in" value={duration(answer.milliseconds)} note="seen from this page" />
              {batch === undefined ? null : <Figure label="Rows in its pass" value={count(batch.rows)} note={`cut: ${batch.cut}`} />}
            </Figures>
            {answer.read.outputs.map((output) => (
              <OutputTensor key={output.name} output={output} />
            ))}
            <p class="note">
              File SHA-256 <code>{props.sha256}</code>. Recorded under request{" "}
              <a href={`#/decisions/${encodeURIComponent(answer.headers.get("x-request-id") ?? "")}`}>{answer.headers.get("x-request-id")}</a>.
            </p>
            <details>
              <summary>The answer as it came</summary>
              <pre tabIndex={0}>{answer.raw.length > 20_000 ? `${answer.raw.slice(0, 20_000)}\n(the first 20,000 of ${answer.raw.length} characters)` : answer.raw}</pre>
            </details>
          </Card>
          <Card title="Where the time went" note="Server-Timing of this answer">
            <Stages header={timing} />
          </Card>
        </>
      )}
    </>
  );
}
