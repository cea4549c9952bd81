// Try it: pick a model, send it an input, see the answer and the batches it shared.
import { useEffect, useState } from "preact/hooks";
import { post } from "../../lib/api";
import { useFetch } from "../../lib/hooks";
import { Badge, Card, Empty, Field, Title, Trouble } from "../../ui/basic";
import type { ServiceProps } from "../service";
import { Batches } from "./batches";
import { Embed } from "./embed";
import type { Declared } from "./tensor";
import { Tensors, type Sent } from "./tensors";

export interface Indexed {
  name: string;
  version?: string;
  state: string;
  reason: string;
  sha256?: string;
}
interface Metadata {
  name: string;
  versions: string[];
  platform: string;
  inputs: Declared[];
  outputs: Declared[];
}

/** A model of the folder: its form, and its batches. */
function FolderModel(props: { model: Indexed }) {
  const name = encodeURIComponent(props.model.name);
  const metadata = useFetch<Metadata>(`/v2/models/${name}`);
  const config = useFetch<{ task?: string; max_batch_size?: number }>(`/v2/models/${name}/config`);
  const [sent, setSent] = useState<Sent | undefined>(undefined);
  const embeds = config.value?.task === "embedding";
  const [as, setAs] = useState<"texts" | "tensors" | undefined>(undefined);
  const way = as ?? (embeds ? "texts" : "tensors");
  if (metadata.value === undefined || config.value === undefined) return <Trouble error={metadata.error ?? config.error} retry={() => { metadata.reload(); config.reload(); }} />;
  return (
    <div class="grid">
      {embeds ? (
        <Card wide>
          <div class="choice" role="group" aria-label="What to send">
            {(["texts", "tensors"] as const).map((one) => (
              <button key={one} type="button" aria-pressed={way === one} onClick={() => setAs(one)}>
                {one === "texts" ? "Texts" : "Tensors"}
              </button>
            ))}
            <span class="note">{way === "texts" ? "the server makes tokens of them" : "what the model itself takes"}</span>
          </div>
        </Card>
      ) : null}
      {way === "texts" ? (
        <Embed key="texts" model={props.model.name} onRequest={setSent} />
      ) : (
        <Tensors key="tensors" model={props.model.name} inputs={metadata.value.inputs} version={props.model.version ?? ""} sha256={props.model.sha256 ?? ""} onRequest={setSent} />
      )}
      <Batches model={props.model.name} sent={sent} />
    </div>
  );
}

export function Page(props: ServiceProps) {
  const [index, setIndex] = useState<Indexed[] | undefined>(undefined);
  const [error, setError] = useState<Error | undefined>(undefined);
  const served = useFetch<{ data: { id: string }[] }>("/v1/models");
  const health = useFetch<{ models: { runtime?: { available: boolean; reason?: string } } }>("/health");
  const [round, setRound] = useState(0);
  useEffect(() => {
    const again = (): void => setRound((n) => n + 1);
    window.addEventListener("tidegate-key", again);
    post<Indexed[]>("/v2/repository/index", {}).then(
      (got) => {
        setIndex(got);
        setError(undefined);
      },
      (reason: unknown) => setError(reason instanceof Error ? reason : new Error(String(reason))),
    );
    return () => window.removeEventListener("tidegate-key", again);
  }, [round]);
  const ready = (index ?? []).filter((model) => model.state === "READY");
  // What serves and lies in no folder is part of the program.
  const builtIn = (served.value?.data ?? []).filter((model) => !ready.some((one) => one.name === model.id)).map((model) => model.id);
  const wanted = decodeURIComponent(props.rest);
  const chosen = wanted !== "" ? wanted : (ready[0]?.name ?? builtIn[0] ?? "");
  const model = ready.find((one) => one.name === chosen);
  const runtime = health.value?.models.runtime;
  return (
    <>
      <Title text="Models" note="Any ONNX model, asked over the Open Inference Protocol; what follows is what it answered.">
        <a href="#/models">Load and unload</a>
      </Title>
      <Trouble error={error ?? served.error} retry={() => setRound(round + 1)} />
      {runtime !== undefined && !runtime.available ? <p class="notice">Models of the folder cannot run here: {runtime.reason ?? "the runtime is not there"}.</p> : null}
      {index === undefined || served.value === undefined ? null : (
        <>
          <Card>
            <div class="fields">
              <Field label="model">
                <select value={chosen} onChange={(event) => (window.location.hash = `/try/models/${encodeURIComponent((event.target as HTMLSelectElement).value)}`)}>
                  {[...ready.map((one) => one.name), ...builtIn].map((name) => (
                    <option key={name} value={name}>
                      {name}
                    </option>
                  ))}
                </select>
              </Field>
              {model === undefined ? (
                builtIn.includes(chosen) ? <Badge tone="plain">part of the program</Badge> : null
              ) : (
                <p class="note identity">
                  version {model.version}
                  <br />
                  SHA-256 <code>{model.sha256}</code>
                </p>
              )}
            </div>
            {index.length === 0 ? <Empty what="no model lies in the model folder. Put one there:" command={"mkdir -p data/models/mine/1 && cp model.onnx data/models/mine/1/model.onnx"} /> : null}
          </Card>
          <div class="gap" />
          {model !== undefined ? (
            <FolderModel key={model.name} model={model} />
          ) : builtIn.includes(chosen) ? (
            <div class="grid">
              <Embed key={chosen} model={chosen} onRequest={() => {}} note="an embedding of our own: hashed words, no neural network; it has no batches" />
            </div>
          ) : chosen === "" ? null : (
            <Empty what={`no model ${chosen} serves.`} />
          )}
        </>
      )}
    </>
  );
}
