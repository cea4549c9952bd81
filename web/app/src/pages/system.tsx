// System: what /health says, part by part, as the server says it.
import { bytes, count, duration, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Badge, Title, Trouble, type Tone } from "../ui/basic";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
interface Part {
  [name: string]: Json;
}

const toneOf = (status: Json | undefined): Tone => (status === "ok" || status === "ready" ? "good" : status === "degraded" ? "warn" : typeof status === "string" ? "bad" : "plain");
const isPart = (value: Json): value is Part => typeof value === "object" && value !== null && !Array.isArray(value);

/** What ends a name says what unit its number has. */
function words(name: string, value: Json): string {
  if (value === null) return "not known";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return /^\d{4}-\d\d-\d\dT/.test(value) ? time(value) : value === "" ? "none" : value;
  if (typeof value === "number") {
    if (/_bytes(_max)?$/.test(name)) return bytes(value);
    if (name.endsWith("_ms")) return duration(value);
    if (name.endsWith("_s")) return duration(value * 1000);
    return count(value);
  }
  return JSON.stringify(value);
}
const title = (name: string): string => name.replace(/_(ms|s|bytes)$/, "").replaceAll("_", " ");

function Value(props: { name: string; value: Json }) {
  const { value } = props;
  if (isPart(value)) return <Members value={value} />;
  if (!Array.isArray(value)) return <>{words(props.name, value)}</>;
  if (value.length === 0) return <>none</>;
  const parts = value.filter(isPart);
  if (parts.length < value.length) return <>{value.map((one) => words(props.name, one)).join(", ")}</>;
  return (
    <>
      {parts.map(({ name, ...rest }, at) => (
        <div class="item" key={at}>
          {typeof name === "string" ? <strong>{name}</strong> : null}
          <Members value={typeof name === "string" ? rest : { ...rest, ...(name === undefined ? {} : { name }) }} />
        </div>
      ))}
    </>
  );
}

/** Names and values as they came; what has parts of its own is set in. */
function Members(props: { value: Part }) {
  return (
    <dl class="members">
      {Object.entries(props.value).map(([name, value]) => (
        <div key={name} class={typeof value === "object" && value !== null && Object.keys(value).length > 0 ? "deep" : ""}>
          <dt>{title(name)}</dt>
          <dd>
            <Value name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function PartCard(props: { name: string; part: Part }) {
  const { status, ...rest } = props.part;
  return (
    <section class="card">
      <header>
        <h2>{title(props.name)}</h2>
        <div class="actions">{status === undefined ? null : <Badge tone={toneOf(status)}>{String(status)}</Badge>}</div>
      </header>
      <Members value={rest} />
    </section>
  );
}

export function System() {
  const { value, error, reload } = useFetch<Part>("/health", 5000);
  const entries = Object.entries(value ?? {});
  const deep = entries.filter((entry): entry is [string, Part] => isPart(entry[1]));
  const lists = entries.filter((entry): entry is [string, Json[]] => Array.isArray(entry[1]));
  const plain = Object.fromEntries(entries.filter(([, member]) => typeof member !== "object" || member === null));
  return (
    <>
      <Title text="System" note="The parts of this server and what each says of itself (GET /health)." />
      <Trouble error={error} retry={reload} />
      {value === undefined ? null : (
        <div class="columns">
          <PartCard name="server" part={plain} />
          {deep.map(([name, part]) => (
            <PartCard key={name} name={name} part={part} />
          ))}
          {lists.map(([name, list]) => (
            <PartCard key={name} name={name} part={{ [name]: list }} />
          ))}
        </div>
      )}
    </>
  );
}
