// Settings: what is in force, and where each value came from. They are changed where they are written, not here.
import { useState } from "preact/hooks";
import { count } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Badge, Card, Code, Empty, Field, Ticked, Title, Trouble } from "../ui/basic";
import type { PageProps } from "./pages";

interface Setting {
  name: string;
  group: string;
  value: unknown;
  source: string;
  default?: string;
  type?: string;
  unit?: string;
  range?: string;
  doc?: string;
}
interface Settings {
  groups: { name: string; title: string }[];
  settings: Setting[];
}

const text = (value: unknown): string => (Array.isArray(value) ? value.map(String).join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
const top = (group: string): string => group.replace(/\[.*$/, "");

function Row(props: { setting: Setting }) {
  const { setting } = props;
  const shown = text(setting.value);
  const kept = setting.source === "default";
  return (
    <tr>
      <th scope="row" class="wrap">
        <code>{setting.name}</code>
        {setting.doc === undefined ? null : <small><Ticked text={setting.doc} /></small>}
      </th>
      <td class="wrap">
        <code class={kept ? "" : "set"}>{shown === "" ? "empty" : shown}</code>
        {setting.unit === undefined || setting.unit === "" ? null : <small> {setting.unit}</small>}
        {kept || setting.default === undefined ? null : <small class="was">default {setting.default === "" ? "empty" : setting.default}</small>}
        {setting.range === undefined || setting.range === "" ? null : <small class="was">{setting.range}</small>}
      </td>
      <td class="wrap">{kept ? <span class="note">default</span> : <Badge tone="good">{setting.source}</Badge>}</td>
    </tr>
  );
}

export function Settings(props: PageProps) {
  const { value, error, reload } = useFetch<Settings>("/api/v1/settings");
  const [wanted, setWanted] = useState(props.rest === "" ? "" : `${decodeURIComponent(props.rest)}.`);
  const [only, setOnly] = useState(false);
  const word = wanted.trim().toLowerCase();
  const found = (value?.settings ?? []).filter((one) => (!only || one.source !== "default") && (word === "" || one.name.toLowerCase().includes(word) || (one.doc ?? "").toLowerCase().includes(word)));
  const groups = [...new Set(found.map((one) => top(one.group)))];
  return (
    <>
      <Title text="Settings" note="What this server was started with: each value and where it came from. A secret says only whether it is set." />
      <Trouble error={error} retry={reload} />
      {error === undefined ? null : (
        <Card>
          <p>An admin key sees them here; the same stands in a shell:</p>
          <Code text={"tidegate config show"} />
        </Card>
      )}
      {value === undefined ? null : (
        <>
          <Card>
            <div class="fields">
              <Field label="name or words">
                <input value={wanted} type="search" onInput={(event) => setWanted((event.target as HTMLInputElement).value)} />
              </Field>
              <label class="check">
                <input type="checkbox" checked={only} onChange={(event) => setOnly((event.target as HTMLInputElement).checked)} />
                only what was set
              </label>
              <span class="note" role="status">
                {count(found.length)} of {count(value.settings.length)}; {count(value.settings.filter((one) => one.source !== "default").length)} set
              </span>
            </div>
          </Card>
          <div class="gap" />
          {found.length === 0 ? <Empty what="no setting fits." /> : null}
          {groups.map((group) => (
            <section class="card settings" key={group} id={`settings-${group}`}>
              <header>
                <h2>{group}</h2>
                <span class="note">{value.groups.find((one) => one.name === group)?.title ?? ""}</span>
              </header>
              <table aria-label={`Settings of ${group}`}>
                <thead>
                  <tr>
                    <th scope="col">Setting</th>
                    <th scope="col">Value</th>
                    <th scope="col">From</th>
                  </tr>
                </thead>
                <tbody>
                  {found
                    .filter((one) => top(one.group) === group)
                    .map((one) => (
                      <Row key={one.name} setting={one} />
                    ))}
                </tbody>
              </table>
            </section>
          ))}
        </>
      )}
    </>
  );
}
