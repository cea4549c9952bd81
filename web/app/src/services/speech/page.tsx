// Try it: a recording in, who said what and what it came to out.
import { useEffect, useState } from "preact/hooks";
import { ask, get, type Answer } from "../../lib/api";
import { duration } from "../../lib/format";
import { Badge, Card, Figure, Figures, Title, Trouble } from "../../ui/basic";
import { FilePick } from "../../ui/files";
import { Stages } from "../../ui/stages";

interface Word {
  word: string;
  start: number;
  end: number;
  confidence: number | null;
}
interface Segment {
  id: number;
  speaker: string;
  start_time: number;
  end_time: number;
  text: string;
  confidence: number | null;
  words?: Word[];
}
interface Point {
  text: string;
  speaker: string | null;
  segments: number[];
}
interface Measured {
  word_error_rate: number;
  audio_s: number;
  data: string;
  date: string;
}
interface Session {
  session_id: string;
  status: string;
  sha256?: string;
  progress?: number;
  error?: { code: string; message: string };
  transcript?: { segments: Segment[] };
  summary?: { text: string; key_points: Point[]; action_items: Point[]; method: string } | null;
  metadata?: {
    duration: number;
    processing_time: number;
    container: string;
    codec: string;
    channel_separation: boolean;
    engine: string;
    model_versions: Record<string, string>;
    fallback: { instead_of: string; reason: string } | null;
    measured: Measured | null;
  };
}
interface Status {
  status: string;
  detail?: string;
  engine: string;
  model: string;
  measured: Measured | null;
}

const BYTES_MAX = 25_000_000;
const POLL_MS = 1000;
const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

function Points(props: { points: Point[] }) {
  return (
    <ul>
      {props.points.map((point) => (
        <li key={point.segments.join("-")}>
          {point.text} <small>(segment {point.segments.join(", ")})</small>
        </li>
      ))}
    </ul>
  );
}

/** The words with their times, where the engine tells them. */
function Said(props: { segment: Segment }) {
  const words = props.segment.words ?? [];
  if (words.length === 0) return <>{props.segment.text}</>;
  return (
    <>
      {words.map((word, at) => (
        <span
          key={at}
          title={`${clock(word.start)} to ${clock(word.end)}${word.confidence === null ? "" : `, confidence ${word.confidence.toFixed(2)}`}`}
        >
          {word.word}{" "}
        </span>
      ))}
    </>
  );
}

function Transcript(props: { answer: Answer<Session> }) {
  const session = props.answer.value;
  const segments = session.transcript?.segments ?? [];
  const facts = session.metadata;
  if (facts === undefined) return null;
  return (
    <>
      <Card
        title="Who said what"
        {...(facts.engine === "embedded" ? { note: "lower case and without punctuation: the recogniser knows neither" } : {})}
        actions={<Badge tone={facts.fallback === null ? "plain" : "warn"}>{Object.keys(facts.model_versions).join(", ")}</Badge>}
        wide
      >
        {facts.fallback === null ? null : (
          <p class="notice">
            The {facts.fallback.instead_of} engine gave no transcript ({facts.fallback.reason}): the {facts.engine} recogniser stood in.
          </p>
        )}
        <Figures>
          <Figure label="Length" value={duration(facts.duration * 1000)} note={`${facts.container}, ${facts.codec}`} />
          <Figure label="Worked for" value={duration(facts.processing_time * 1000)} note={`answered in ${duration(props.answer.milliseconds)}`} />
          {facts.measured === null ? (
            <Figure label="Wrong words" value="not measured" note="of this engine" />
          ) : (
            <Figure label="Wrong words, measured" value={percent(facts.measured.word_error_rate)} note={`on ${facts.measured.data}, ${facts.measured.date}`} />
          )}
          <Figure label="Speakers" value={facts.channel_separation ? "by channel" : "not told apart"} />
        </Figures>
        {segments.length === 0 ? <p>No speech was found in it.</p> : null}
        <table class="segments">
          <tbody>
            {segments.map((one) => (
              <tr key={one.id}>
                <td class="number">{clock(one.start_time)}</td>
                <td>{one.speaker}</td>
                <td>
                  <Said segment={one} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="note">
          Session {session.session_id}. As{" "}
          {["srt", "vtt", "txt"].map((format, at) => (
            <span key={format}>
              {at === 0 ? null : ", "}
              <a href={`/api/v1/transcribe/${session.session_id}?format=${format}`}>{format}</a>
            </span>
          ))}
          .
        </p>
      </Card>
      {session.summary === undefined || session.summary === null ? null : (
        <Card title="What it came to" note="its weightiest sentences, word for word" actions={<Badge tone="plain">{session.summary.method}</Badge>}>
          {session.summary.key_points.length === 0 ? <p>Nothing in it says enough.</p> : <Points points={session.summary.key_points} />}
          {session.summary.action_items.length === 0 ? null : (
            <>
              <h3>To do</h3>
              <Points points={session.summary.action_items} />
            </>
          )}
        </Card>
      )}
      <Card title="Where the time went" note="Server-Timing of this answer">
        <Stages header={props.answer.headers.get("server-timing")} />
      </Card>
    </>
  );
}

export function Page() {
  const [status, setStatus] = useState<Status | undefined>(undefined);
  const [file, setFile] = useState<File | undefined>(undefined);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<Error | undefined>(undefined);
  const [answer, setAnswer] = useState<Answer<Session> | undefined>(undefined);
  useEffect(() => {
    get<Status>("/api/v1/transcribe/status").then(setStatus, (reason: unknown) => setError(reason instanceof Error ? reason : new Error(String(reason))));
  }, []);

  /** A long recording is answered by a job: its session is asked for until it is over. */
  const wait = async (first: Answer<Session>): Promise<Answer<Session>> => {
    let now = first;
    while (now.value.transcript === undefined) {
      if (now.value.error !== undefined) throw new Error(now.value.error.message);
      setBusy(`Listening\u2026 ${percent(now.value.progress ?? 0)}`);
      await new Promise((done) => setTimeout(done, POLL_MS));
      now = await ask<Session>(`/api/v1/transcribe/${first.value.session_id}`);
    }
    return now;
  };
  const send = async (): Promise<void> => {
    if (file === undefined) return;
    setBusy("Listening\u2026");
    setError(undefined);
    setAnswer(undefined);
    const form = new FormData();
    form.set("enable_summarization", "true");
    form.set("audio", file);
    try {
      setAnswer(await wait(await ask<Session>("/api/v1/transcribe", { raw: form, headers: { "X-Trace": "true" } })));
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy("");
  };
  return (
    <>
      <Title text="Speech" note="Who said what in a recording, and what did it come to? The recording itself is not kept." />
      <div class="grid">
        <Card
          title="A recording"
          {...(status === undefined
            ? {}
            : {
                note:
                  status.measured === null
                    ? `${status.model}, by another server; nothing was measured of it here`
                    : `${percent(status.measured.word_error_rate)} of words were wrong when it was measured on ${status.measured.data}`,
              })}
          wide
        >
          {status?.detail === undefined ? null : <p class="notice">{status.detail}</p>}
          <FilePick label="Sound file" accept="audio/*,video/mp4,video/webm,.wav,.flac,.mp3,.m4a,.ogg,.opus,.webm" bytes_max={BYTES_MAX} onFile={setFile} />
          <div class="fields">
            <button class="main" type="button" disabled={busy !== "" || file === undefined} onClick={() => void send()}>
              {busy === "" ? "Transcribe it" : busy}
            </button>
          </div>
          <Trouble error={error} />
        </Card>
        {answer === undefined ? null : <Transcript answer={answer} />}
      </div>
    </>
  );
}
