// System: what /health says, part by part, as the server says it.
import { useFetch } from "../lib/hooks";
import { Badge, Card, Title, Trouble, type Tone } from "../ui/basic";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const toneOf = (status: Json | undefined): Tone =>
  status === "ok" || status === "ready" ? "good" : status === "degraded" ? "warn" : typeof status === "string" ? "bad" : "plain";

const isObject = (value: Json): value is { [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Names and values as they came; objects inside are indented. */
function Members(props: { value: { [name: string]: Json } }) {
  return (
    <table>
      <tbody>
        {Object.entries(props.value).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name.replaceAll("_", " ")}</th>
            <td class="wrap">
              {isObject(value) ? <Members value={value} /> : Array.isArray(value) ? (value.length === 0 ? "none" : value.map((one) => (isObject(one) ? JSON.stringify(one) : String(one))).join(", ")) : value === null ? "not known" : String(value)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function System() {
  const { value, error, reload } = useFetch<{ [name: string]: Json }>("/health", 5000);
  const parts = Object.entries(value ?? {}).filter((entry): entry is [string, { [name: string]: Json }] => isObject(entry[1]));
  const plain = Object.fromEntries(Object.entries(value ?? {}).filter(([, member]) => !isObject(member)));
  return (
    <>
      <Title text="System" note="The parts of this server and what each says of itself (GET /health)." />
      <Trouble error={error} retry={reload} />
      <div class="grid">
        {value === undefined ? null : (
          <Card title="Server" actions={<Badge tone={toneOf(value["status"])}>{String(value["status"])}</Badge>}>
            <Members value={plain} />
          </Card>
        )}
        {parts.map(([name, part]) => (
          <Card key={name} title={name.replaceAll("_", " ")} actions={part["status"] === undefined ? null : <Badge tone={toneOf(part["status"])}>{String(part["status"])}</Badge>}>
            <Members value={part} />
          </Card>
        ))}
      </div>
    </>
  );
}
