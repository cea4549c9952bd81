// Jobs: durable work that is done some time, at least once: what waits, what runs, what came of it.
import { useState } from "preact/hooks";
import { ask } from "../lib/api";
import { count, NOTHING, percent, time } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Action, Badge, Card, Empty, Field, Figure, Figures, Table, Title, Trouble, type Tone } from "../ui/basic";
import type { PageProps } from "./pages";

interface Job {
  id: string;
  kind: string;
  state: string;
  title: string;
  tenant: string | null;
  actor: string;
  attempts: number;
  attempts_max: number;
  progress: { fraction: number; note: string };
  cancel_requested: boolean;
  error: string | null;
  created_at: string;
  next_attempt_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  result?: unknown;
}
interface JobPage {
  items: Job[];
  next_cursor: string | null;
  counts: Record<string, number>;
}

const STATES: Record<string, Tone> = { queued: "plain", running: "warn", succeeded: "good", failed: "bad", dead: "bad", cancelled: "plain" };
const isOver = (state: string): boolean => state !== "queued" && state !== "running";

function JobActions(props: { job: Job; done: () => void }) {
  const { job } = props;
  const path = `/api/v1/jobs/${encodeURIComponent(job.id)}`;
  return (
    <div class="actions">
      {isOver(job.state) || job.cancel_requested ? null : (
        <Action
          label="Cancel"
          danger
          question={`Cancel "${job.title}"? What waits is over at once; what runs ends as soon as it can.`}
          run={async () => {
            await ask(path, { method: "DELETE" });
            props.done();
            return "cancelled";
          }}
        />
      )}
      {["failed", "dead", "cancelled"].includes(job.state) ? (
        <Action
          label="Try again"
          question={`Queue "${job.title}" again, with fresh attempts?`}
          run={async () => {
            await ask(`${path}/retry`, { method: "POST" });
            props.done();
            return "queued again";
          }}
        />
      ) : null}
    </div>
  );
}

function One(props: { id: string }) {
  const { value: job, error, reload } = useFetch<Job>(`/api/v1/jobs/${encodeURIComponent(props.id)}`, 3000);
  return (
    <>
      <Title text="Job" note={props.id}>
        <a href="#/jobs">All jobs</a>
      </Title>
      <Trouble error={error} retry={reload} />
      {job === undefined ? null : (
        <div class="grid">
          <Card title={job.title === "" ? job.kind : job.title} actions={<Badge tone={STATES[job.state] ?? "plain"}>{job.state}</Badge>} wide>
            <Figures>
              <Figure label="Kind" value={job.kind} />
              <Figure label="Attempts" value={`${count(job.attempts)} of ${count(job.attempts_max)}`} />
              <Figure label="Progress" value={job.state === "running" ? percent(job.progress.fraction, 0) : NOTHING} {...(job.progress.note === "" ? {} : { note: job.progress.note })} />
              <Figure label="Asked for" value={time(job.created_at)} note={job.actor} />
              <Figure label="Ended" value={time(job.finished_at)} />
            </Figures>
            {job.error === null ? null : <p class="fault">{job.error}</p>}
            <JobActions job={job} done={reload} />
          </Card>
          <Card title="What it came to" wide>
            {job.result === null || job.result === undefined ? <p class="empty">Nothing yet.</p> : <pre tabIndex={0}>{JSON.stringify(job.result, null, 2)}</pre>}
          </Card>
        </div>
      )}
    </>
  );
}

function List() {
  const [state, setState] = useState("");
  const { value, error, reload } = useFetch<JobPage>(`/api/v1/jobs?limit=100${state === "" ? "" : `&state=${state}`}`, 3000);
  return (
    <>
      <Title text="Jobs" note="Work that outlives a request and the process: webhooks, and whatever takes longer than ten seconds." />
      <Trouble error={error} retry={reload} />
      {value === undefined ? null : (
        <div class="grid">
          <Card wide>
            <Figures>
              {Object.entries(value.counts).map(([name, n]) => (
                <Figure key={name} label={name} value={count(n)} tone={n > 0 && (name === "dead" || name === "failed") ? "bad" : "plain"} />
              ))}
            </Figures>
          </Card>
          <Card wide>
            <div class="fields">
              <Field label="state">
                <select value={state} onChange={(event) => setState((event.target as HTMLSelectElement).value)}>
                  <option value="">any</option>
                  {Object.keys(STATES).map((one) => (
                    <option key={one}>{one}</option>
                  ))}
                </select>
              </Field>
            </div>
            {value.items.length === 0 ? (
              <Empty what={state === "" ? "no job has been handed in. A webhook of an alert is one:" : `no job is ${state}.`} {...(state === "" ? { command: "tidegate serve --config tidegate.yaml   # with alerts.rules and webhooks in it" } : {})} />
            ) : (
              <Table
                label="Jobs"
                rows={value.items}
                rowKey={(row) => row.id}
                href={(row) => `#/jobs/${row.id}`}
                columns={[
                  { head: "Job", cell: (row) => (row.title === "" ? row.kind : row.title) },
                  {
                    head: "State",
                    cell: (row) => (
                      <>
                        <Badge tone={STATES[row.state] ?? "plain"}>{row.state}</Badge>
                        {row.error === null ? null : <small class="why">{row.error}</small>}
                        {row.next_attempt_at === null ? null : <small class="why">next attempt {time(row.next_attempt_at)}</small>}
                      </>
                    ),
                  },
                  { head: "Progress", number: true, cell: (row) => (row.state === "running" ? percent(row.progress.fraction, 0) : "") },
                  { head: "Attempts", number: true, cell: (row) => `${count(row.attempts)} of ${count(row.attempts_max)}` },
                  { head: "Asked for", cell: (row) => time(row.created_at) },
                  { head: "Kind", cell: (row) => row.kind },
                  { head: "Tenant", cell: (row) => row.tenant ?? "" },
                  { head: "Actions", cell: (row) => <JobActions job={row} done={reload} /> },
                ]}
              />
            )}
          </Card>
        </div>
      )}
    </>
  );
}

export function Jobs(props: PageProps) {
  return props.rest === "" ? <List /> : <One id={decodeURIComponent(props.rest)} />;
}
