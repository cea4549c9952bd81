// Try it: the risk of a place, and what a sensor's reading is worth.
import { useRef, useState } from "preact/hooks";
import { ask, type Answer } from "../../lib/api";
import { duration } from "../../lib/format";
import { Badge, Card, Figure, Figures, Title, Trouble, type Tone } from "../../ui/basic";
import { Stages } from "../../ui/stages";

interface Risk {
  decision_id?: string;
  flood_probability: number;
  risk_level: string;
  confidence: number;
  interval: [number, number];
  method: string;
  basin?: string;
  flow_m3s?: [number, number, number];
  log_odds: number;
  baseline: number;
  drivers: { name: string; value: number | null; contribution: number }[];
  recommended_action: string;
  missing_inputs: string[];
  unused_inputs: string[];
  model_version: string;
}
interface Reading {
  decision_id?: string;
  is_anomaly: boolean;
  anomaly_score: number;
  severity: string;
  state: string;
  quality_flags: Record<string, string>;
  requires_maintenance: boolean;
  reasons: string[];
  recommended_action: string;
  model_version: string;
}

const LEVEL: Record<string, Tone> = { very_low: "good", low: "good", moderate: "plain", high: "bad", extreme: "bad" };
const PLACE: [string, string, string][] = [
  ["latitude", "Latitude", "6.52"],
  ["longitude", "Longitude", "3.38"],
  ["rainfall_mm", "Rain of the coming step, mm", "85"],
  ["temperature", "Temperature, \u00b0C", "28"],
  ["rainfall_7d_mean", "Rain a day, last 7 days, mm", "18"],
  ["rainfall_30d_mean", "Rain a day, last 30 days, mm", "9"],
  ["curve_number", "Curve number (30 to 99)", ""],
  ["basin", "Basin that is loaded", ""],
  ["date", "Date of the step", ""],
];
const SENSOR: [string, string, string][] = [
  ["device_id", "Device", "bridge-1"],
  ["water_level_cm", "Water level, cm", "84.2"],
  ["rainfall_mm", "Rain, mm", "0"],
  ["rain_upstream_mm", "Rain upstream, mm", ""],
];
const TEXTS = new Set(["basin", "date", "device_id"]);
const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const signed = (value: number): string => `${value >= 0 ? "+" : "\u2212"}${Math.abs(value).toFixed(2)}`;

/** The fields that are filled in; what is no number goes as it is, and the server says what it thinks of it. */
function filled(values: Record<string, string>): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(values)) {
    if (text.trim() === "") continue;
    const number = Number(text);
    body[name] = TEXTS.has(name) || Number.isNaN(number) ? text : number;
  }
  return body;
}

function Asking(props: { id: string; fields: [string, string, string][]; button: string; send: (body: Record<string, unknown>) => Promise<void> }) {
  const [values, setValues] = useState<Record<string, string>>(Object.fromEntries(props.fields.map(([name, , first]) => [name, first])));
  const [error, setError] = useState<Error | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await props.send(filled(values));
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div class="fields">
        {props.fields.map(([name, label]) => (
          <label key={name} for={`${props.id}-${name}`}>
            {label}
            <input
              id={`${props.id}-${name}`}
              value={values[name]}
              onInput={(event) => setValues({ ...values, [name]: (event.target as HTMLInputElement).value })}
            />
          </label>
        ))}
      </div>
      <div class="fields">
        <button class="main" type="submit" disabled={busy}>
          {busy ? "Asking\u2026" : props.button}
        </button>
      </div>
      <Trouble error={error} />
    </form>
  );
}

function RiskAnswer(props: { answer: Answer<Risk> }) {
  const risk = props.answer.value;
  return (
    <>
      <Card title="Risk" actions={<Badge tone={LEVEL[risk.risk_level] ?? "plain"}>{risk.risk_level.replaceAll("_", " ")}</Badge>}>
        <Figures>
          <Figure label="Chance of a 2-year flood" value={percent(risk.flood_probability)} note={`between ${percent(risk.interval[0])} and ${percent(risk.interval[1])}`} />
          <Figure label="Method" value={risk.method.replaceAll("_", " ")} note={risk.basin ?? "no basin is loaded here"} />
          {risk.flow_m3s === undefined ? null : (
            <Figure label="Flow" value={`${risk.flow_m3s[1].toPrecision(3)} m\u00b3/s`} note={`${risk.flow_m3s[0].toPrecision(3)} to ${risk.flow_m3s[2].toPrecision(3)}`} />
          )}
          <Figure label="Answered in" value={duration(props.answer.milliseconds)} note="seen from this page" />
        </Figures>
        <p>{risk.recommended_action}</p>
        {risk.missing_inputs.length === 0 ? null : <p class="note">Would narrow it: {risk.missing_inputs.join(", ").replaceAll("_", " ")}</p>}
        {risk.unused_inputs.length === 0 ? null : <p class="note">Not used: {risk.unused_inputs.join(", ").replaceAll("_", " ")}</p>}
        <p class="note">
          Model {risk.model_version}
          {risk.decision_id === undefined ? null : (
            <>
              , recorded as <a href={`#/decisions/${risk.decision_id}`}>{risk.decision_id}</a>
            </>
          )}
          .
        </p>
      </Card>
      <Card title="What drives it" note="log-odds: the baseline and all contributions add up">
        <table class="drivers">
          <tbody>
            <tr>
              <td>baseline</td>
              <td class="number">{signed(risk.baseline)}</td>
            </tr>
            {risk.drivers.map((driver) => (
              <tr key={driver.name}>
                <td>{driver.name.replaceAll("_", " ")}</td>
                <td class="number">{signed(driver.contribution)}</td>
              </tr>
            ))}
            <tr>
              <td>
                <strong>log-odds</strong>
              </td>
              <td class="number">{signed(risk.log_odds)}</td>
            </tr>
          </tbody>
        </table>
      </Card>
      <Card title="Where the time went" note="Server-Timing of this answer">
        <Stages header={props.answer.headers.get("server-timing")} />
      </Card>
    </>
  );
}

export function Page() {
  const [risk, setRisk] = useState<Answer<Risk> | undefined>(undefined);
  const [reading, setReading] = useState<Answer<Reading> | undefined>(undefined);
  const sent = useRef(0);
  const headers = { "X-Trace": "true" };
  const found = reading?.value;
  return (
    <>
      <Title text="Flood" note="How likely is a flood here, and can this sensor be believed? Only the responsible authority warns." />
      <div class="grid">
        <Card title="A place" wide>
          <Asking
            id="place"
            fields={PLACE}
            button="Judge the place"
            send={async (body) => {
              setRisk(undefined);
              setRisk(await ask<Risk>("/api/v1/predict/flood-risk", { body, headers }));
            }}
          />
        </Card>
        {risk === undefined ? null : <RiskAnswer answer={risk} />}
        <Card title="A reading of a sensor" note="judged by the device's own past: 300 readings teach it" wide>
          <Asking
            id="sensor"
            fields={SENSOR}
            button="Judge the reading"
            send={async (body) => {
              setReading(undefined);
              const timestamp = new Date(Math.max(Date.now(), sent.current + 1));
              sent.current = timestamp.getTime();
              setReading(await ask<Reading>("/api/v1/predict/anomaly", { body: { ...body, timestamp: timestamp.toISOString() }, headers }));
            }}
          />
          {found === undefined ? null : (
            <div class="verdict">
              <Figures>
                <Figure label="State" value={found.state.replaceAll("_", " ")} note={found.is_anomaly ? `anomaly, ${found.severity}` : "no anomaly"} />
                <Figure label="Score" value={found.anomaly_score.toFixed(1)} note="-log10 of the chance" />
                <Figure label="Maintenance" value={found.requires_maintenance ? "needed" : "not needed"} />
              </Figures>
              <p>
                {Object.entries(found.quality_flags)
                  .map(([name, flag]) => `${name}: ${flag}`)
                  .join(", ")
                  .replaceAll("_", " ")}
              </p>
              {found.reasons.length === 0 ? null : <p class="note">{found.reasons.join("; ").replaceAll("_", " ")}</p>}
            </div>
          )}
        </Card>
      </div>
    </>
  );
}
