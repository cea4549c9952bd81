// Try it: was this text written by a machine?
import { useRef, useState } from "preact/hooks";
import { ask, type Answer } from "../../lib/api";
import { count, duration, NOTHING } from "../../lib/format";
import { Badge, Card, Empty, Figure, Figures, Title, Trouble, type Tone } from "../../ui/basic";
import { Stages } from "../../ui/stages";
import { Intervals, Scale } from "./scale";

interface Signal {
  name: string;
  value: number;
  contribution: number;
  human_range: [number, number];
  explanation: string;
}
interface Detection {
  analysis_id: string;
  confidence: number;
  decision_band: "human" | "uncertain" | "ai";
  interval: [number, number];
  signals: Signal[];
  segments: { start: number; end: number; score: number }[];
  uncertainty_flags: string[];
  word_count: number;
  explanation: string;
  model_version: string;
  calibration_version: string;
  processing_time_ms: number;
  warnings?: string[];
}

const TONE: Record<Detection["decision_band"], Tone> = { human: "good", uncertain: "plain", ai: "bad" };

/** `start` and `end` count code points. */
function Sentences(props: { text: string; segments: Detection["segments"] }) {
  const points = Array.from(props.text);
  const pieces: { text: string; score: number | null }[] = [];
  let at = 0;
  for (const segment of props.segments) {
    if (segment.start > at) pieces.push({ text: points.slice(at, segment.start).join(""), score: null });
    pieces.push({ text: points.slice(segment.start, segment.end).join(""), score: segment.score });
    at = segment.end;
  }
  if (at < points.length) pieces.push({ text: points.slice(at).join(""), score: null });
  return (
    <p class="sentences">
      {pieces.map((piece, which) =>
        piece.score === null ? (
          piece.text
        ) : (
          <mark key={which} class={`level-${Math.min(4, Math.floor(piece.score * 5))}`} title={`${Math.round(piece.score * 100)} of 100 towards a machine`}>
            {piece.text}
          </mark>
        ),
      )}
    </p>
  );
}

export function Page() {
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [answer, setAnswer] = useState<Answer<Detection> | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const detect = async (): Promise<void> => {
    const mine = ++turn.current;
    setBusy(true);
    setError(undefined);
    try {
      const got = await ask<Detection>("/api/v1/detect/text", { body: { text }, headers: { "X-Trace": "true" } });
      if (mine === turn.current) {
        setAnswer(got);
        setAsked(text);
      }
    } catch (reason) {
      if (mine === turn.current) {
        setAnswer(undefined);
        setError(reason instanceof Error ? reason : new Error(String(reason)));
      }
    }
    if (mine === turn.current) setBusy(false);
  };
  const found = answer?.value;
  return (
    <>
      <Title text="Text" note="Was this text written by a machine? The answer is a calibrated share with an interval, not a verdict." />
      <div class="grid">
        <Card wide>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void detect();
            }}
          >
            <label for="text">Text, 1 to 50,000 characters; from 100 words on it can be judged</label>
            <textarea id="text" value={text} onInput={(event) => setText((event.target as HTMLTextAreaElement).value)} />
            <div class="fields">
              <button class="main" type="submit" disabled={busy || text.trim() === ""}>
                {busy ? "Asking\u2026" : "Judge it"}
              </button>
              <span class="note">{count(Array.from(text).length)} characters</span>
            </div>
          </form>
          <Trouble error={error} />
        </Card>
        {found === undefined || answer === undefined ? (
          error === undefined ? (
            <Card wide>
              <Empty what="paste a text and ask." />
            </Card>
          ) : null
        ) : (
          <>
            <Card title="Answer" actions={<Badge tone={TONE[found.decision_band]}>{found.decision_band}</Badge>}>
              <Intervals value={found.confidence} interval={found.interval} />
              <p>{found.explanation}</p>
              {found.uncertainty_flags.length === 0 ? null : <p class="note">Uncertain because: {found.uncertainty_flags.join(", ").replaceAll("_", " ")}</p>}
              {found.warnings?.map((warning) => <p class="note">{warning}</p>)}
              <Figures>
                <Figure label="Words" value={count(found.word_count)} />
                <Figure label="Computed in" value={duration(found.processing_time_ms)} />
                <Figure label="Answered in" value={duration(answer.milliseconds)} note="seen from this page" />
                <Figure label="Cache" value={answer.headers.get("x-cache") ?? NOTHING} />
              </Figures>
              <p class="note">
                Model {found.model_version}, calibration {found.calibration_version}. Recorded as <a href={`#/decisions/${found.analysis_id}`}>{found.analysis_id}</a>.
              </p>
            </Card>
            <Card title="Where the time went" note="Server-Timing of this answer">
              <Stages header={answer.headers.get("server-timing")} />
            </Card>
            <Card title="Sentences" note="the stronger the colour, the more like a machine" wide>
              <Sentences text={asked} segments={found.segments} />
            </Card>
            <Card title="Signals" note="the band is where human texts lie; the dot is this text" wide>
              <div class="signals">
                {[...found.signals]
                  .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
                  .map((signal) => (
                    <div key={signal.name}>
                      <strong>{signal.name.replaceAll("_", " ")}</strong>
                      <Scale value={signal.value} range={signal.human_range} label={signal.name} />
                      <span class="note">
                        {signal.contribution >= 0 ? "+" : "\u2212"}
                        {Math.abs(signal.contribution).toFixed(2)} to the log-odds. {signal.explanation}
                      </span>
                    </div>
                  ))}
              </div>
            </Card>
          </>
        )}
      </div>
    </>
  );
}
