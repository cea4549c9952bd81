// What may be done about memory, cache and databases while the server runs: asked once, and told with what each changed.
import { useState } from "preact/hooks";
import { ask } from "../lib/api";
import { duration, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import type { ActionResult, Advice } from "../lib/performance";
import { withUnit } from "../lib/units";
import { Action, Badge, Card, Table, Trouble, type Tone } from "../ui/basic";

const GROUPS = [
  ["cache", "Cache"],
  ["memory", "Memory"],
  ["database", "Databases"],
  ["pools", "Pools"],
  ["all", "All of it"],
] as const;
const OUTCOMES: Record<string, Tone> = { done: "good", nothing_to_do: "plain", failed: "bad" };

export function Optimize() {
  const { value, error, reload } = useFetch<Advice>("/api/v1/performance/optimize", 15_000);
  const [ran, setRan] = useState<ActionResult[]>([]);
  const run = (group: string) => async (): Promise<string> => {
    const got = await ask<{ actions: ActionResult[] }>(`/api/v1/performance/optimize?type=${group}`, { method: "POST" });
    setRan(got.value.actions);
    reload();
    return `${got.value.actions.filter((one) => one.outcome === "done").length} done`;
  };
  const results = ran.length > 0 ? ran : (value?.done ?? []);
  return (
    <Card
      title="Put it in order"
      note={value === undefined ? "safe at any time" : value.auto_apply ? "the server also does it by itself" : "the server does nothing of it by itself"}
      wide
      actions={GROUPS.map(([group, label]) => (
        <Action
          key={group}
          label={label}
          question={group === "all" ? "Do everything that is safe: drop what has expired, give memory back, bring the databases in order, fit the pools? It is logged." : `Do what is safe about ${label.toLowerCase()} now? It is logged, with what it changed.`}
          run={run(group)}
        />
      ))}
    >
      <Trouble error={error} retry={reload} />
      {value === undefined ? null : value.recommended.length === 0 ? (
        <p class="empty">Nothing would help now.</p>
      ) : (
        <Table
          label="What would help now"
          rows={value.recommended}
          rowKey={(row) => row.action}
          columns={[
            { head: "Would help now", cell: (row) => row.action.replaceAll("_", " ") },
            { head: "Group", cell: (row) => row.group },
            { head: "What", cell: (row) => <span class="wrap">{row.what}</span> },
            { head: "Why", cell: (row) => <span class="wrap">{row.reason}</span> },
          ]}
        />
      )}
      {results.length === 0 ? null : <h3>{ran.length > 0 ? "What it changed" : "Done before"}</h3>}
      {results.length === 0 ? null : (
        <Table
          label="What was done"
          rows={results}
          rowKey={(row) => `${row.time} ${row.action}`}
          columns={[
            { head: "Done", cell: (row) => row.action.replaceAll("_", " ") },
            { head: "Outcome", cell: (row) => <Badge tone={OUTCOMES[row.outcome] ?? "plain"}>{row.outcome.replaceAll("_", " ")}</Badge> },
            {
              head: "Before and after",
              cell: (row) => (
                <>
                  {row.changes.map((change) => (
                    <span class="change" key={change.name}>
                      {change.name.replaceAll("_", " ")}: {withUnit(change.before, change.unit)} &rarr; {withUnit(change.after, change.unit)}
                    </span>
                  ))}
                  {row.detail === "" ? null : <small class="why">{row.detail}</small>}
                </>
              ),
            },
            { head: "Took", number: true, cell: (row) => duration(row.took_ms) },
            { head: "When", cell: (row) => time(row.time) },
            { head: "By", cell: (row) => (row.by === "request" ? "asked" : row.by.replaceAll("_", " ")) },
          ]}
        />
      )}
    </Card>
  );
}
