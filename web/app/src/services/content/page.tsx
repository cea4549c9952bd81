// Try it: store a few texts, ask, and see which sentences answer and where they stand.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, type Answer } from "../../lib/api";
import { duration } from "../../lib/format";
import { Badge, Card, Figure, Figures, Title, Trouble } from "../../ui/basic";
import { Stages } from "../../ui/stages";

interface Place {
  start: number;
  end: number;
}
interface Citation extends Place {
  content_id: string;
  title: string;
  text: string;
}
interface Result {
  content_id: string;
  score: number;
  distance: number | null;
  document: string;
  passage: Place;
  metadata: { title: string };
  highlights: Place[];
}
interface Found {
  decision_id?: string;
  mode: string;
  meaning: string | null;
  results: Result[];
  answer: { text: string; citations: Citation[] } | null;
  reason: string | null;
  support: number;
  model_version: string;
  warnings: string[];
}
interface Report {
  stored: number;
  updated: number;
  unchanged: number;
  failed: number;
  errors: { line: number; message: string }[];
}

const TEXTS = [
  "Tide gates: A tide gate is a door in a dike. It lets the river out at ebb and keeps the sea out at flood. Many open by the weight of the water alone.",
  "Tides: The moon pulls the sea towards itself. The sun pulls too, with less than half the force. Twice a day the water rises and falls.",
  "Dikes: A dike holds back the water of a river or of the sea. Grass on its slopes keeps the soil from being washed away.",
].join("\n");

/** A line a text: what stands before the first colon is its title. */
function contents(text: string): { content_id: string; title: string; body: string }[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const colon = line.indexOf(":");
      const title = colon > 0 && colon < 80 ? line.slice(0, colon).trim() : "";
      const body = title === "" ? line : line.slice(colon + 1).trim();
      return { content_id: `try-${(title === "" ? body.slice(0, 40) : title).toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`, title, body };
    });
}

/** Whose vectors the search by meaning went by. */
function meaningBy(meaning: string | null): string {
  if (meaning === null) return "";
  return meaning === "latent_semantic" ? ", meaning learnt from these texts" : `, meaning by the model ${meaning}`;
}

/** The places are counted in characters, not in UTF-16 units. */
function marked(text: string, places: Place[], offset: number, kind: string): ComponentChildren {
  const characters = Array.from(text);
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const place of [...places].sort((a, b) => a.start - b.start)) {
    const start = Math.max(place.start - offset, at);
    const end = Math.min(place.end - offset, characters.length);
    if (start >= end) continue;
    parts.push(characters.slice(at, start).join(""));
    parts.push(<mark class={kind}>{characters.slice(start, end).join("")}</mark>);
    at = end;
  }
  parts.push(characters.slice(at).join(""));
  return parts;
}

function FoundAnswer(props: { answer: Answer<Found> }) {
  const found = props.answer.value;
  const citations = found.answer?.citations ?? [];
  return (
    <>
      <Card title="Answer" actions={<Badge tone={found.answer === null ? "plain" : "good"}>{found.answer === null ? "not in the sources" : "quoted"}</Badge>} wide>
        {found.answer === null ? <p class="no-answer">{found.reason}</p> : null}
        {citations.length === 0 ? null : (
          <ol class="citations">
            {citations.map((one) => (
              <li key={`${one.content_id}-${one.start}`}>
                <blockquote>{one.text}</blockquote>
                <span class="note">
                  {one.title === "" ? one.content_id : one.title}, characters {one.start} to {one.end}
                </span>
              </li>
            ))}
          </ol>
        )}
        <Figures>
          <Figure label="Support" value={`${(found.support * 100).toFixed(0)} %`} note="of the question, in the best sentence" />
          <Figure label="Found by" value={found.mode} note={`${found.results.length} texts${meaningBy(found.meaning)}`} />
          <Figure label="Answered in" value={duration(props.answer.milliseconds)} note="seen from this page" />
        </Figures>
        {found.warnings.length === 0 ? null : <p class="note">{found.warnings.join(" ")}</p>}
        <p class="note">
          {found.model_version}
          {found.decision_id === undefined ? null : (
            <>
              , recorded as <a href={`#/decisions/${found.decision_id}`}>{found.decision_id}</a>
            </>
          )}
          .
        </p>
      </Card>
      <Card title="Sources" note="the sentences that were quoted are marked" wide>
        {found.results.length === 0 ? <p>Nothing was found.</p> : null}
        {found.results.map((one) => (
          <div class="source" key={one.content_id}>
            <strong>{one.metadata.title === "" ? one.content_id : one.metadata.title}</strong> <span class="note">score {one.score.toFixed(3)}</span>
            <p>
              {marked(
                one.document,
                citations.filter((citation) => citation.content_id === one.content_id),
                one.passage.start,
                "cited",
              )}
            </p>
          </div>
        ))}
      </Card>
      <Card title="Where the time went" note="Server-Timing of this answer">
        <Stages header={props.answer.headers.get("server-timing")} />
      </Card>
    </>
  );
}

export function Page() {
  const [texts, setTexts] = useState(TEXTS);
  const [question, setQuestion] = useState("What keeps the sea out at flood?");
  const [report, setReport] = useState<Report | undefined>(undefined);
  const [found, setFound] = useState<Answer<Found> | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const run = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await work();
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  const store = async (): Promise<void> => {
    setReport(undefined);
    setReport((await ask<Report>("/api/contents", { body: { contents: contents(texts) } })).value);
  };
  const search = async (): Promise<void> => {
    setFound(undefined);
    setFound(await ask<Found>("/query/rag", { body: { prompt: question, n_results: 5 }, headers: { "X-Trace": "true" } }));
  };
  return (
    <>
      <Title text="Content" note="What do your texts say? Answers are sentences of theirs, with their places, or none." />
      <div class="grid">
        <Card title="Texts" note="a line each, its title before the first colon; stored with your key's tenant" wide>
          <label for="content-texts">Texts</label>
          <textarea id="content-texts" rows={6} value={texts} onInput={(event) => setTexts((event.target as HTMLTextAreaElement).value)} />
          <div class="fields">
            <button type="button" disabled={busy} onClick={() => void run(store)}>
              Store the texts
            </button>
          </div>
          {report === undefined ? null : (
            <p class="import-report">
              {report.stored} stored, {report.updated} updated, {report.unchanged} unchanged, {report.failed} refused
              {report.errors.length === 0 ? "" : `: ${report.errors.map((one) => `line ${one.line} ${one.message}`).join("; ")}`}
            </p>
          )}
        </Card>
        <Card title="A question" wide>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void run(search);
            }}
          >
            <label for="content-question">Question</label>
            <input id="content-question" value={question} onInput={(event) => setQuestion((event.target as HTMLInputElement).value)} />
            <div class="fields">
              <button class="main" type="submit" disabled={busy}>
                Ask the texts
              </button>
            </div>
          </form>
          <Trouble error={error} />
        </Card>
        {found === undefined ? null : <FoundAnswer answer={found} />}
      </div>
    </>
  );
}
