// The small parts every page is made of: cards, figures, tables, empty states, problems, actions that ask once.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../lib/api";
import { NOTHING } from "../lib/format";

export function Card(props: { title?: string; note?: string; wide?: boolean; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class={props.wide ? "card wide" : "card"}>
      {props.title === undefined ? null : (
        <header>
          <h2>{props.title}</h2>
          {props.note === undefined ? null : <span class="note">{props.note}</span>}
          <div class="actions">{props.actions}</div>
        </header>
      )}
      {props.children}
    </section>
  );
}

export type Tone = "good" | "warn" | "bad" | "plain";

/** One measured figure. `value` is text that lib/format made; a dash means that nothing was measured. */
export function Figure(props: { label: string; value: string; note?: string; tone?: Tone }) {
  const nothing = props.value === NOTHING;
  return (
    <div class={`figure ${props.tone ?? "plain"}`}>
      <dt>{props.label}</dt>
      <dd>
        {nothing ? (
          <>
            <span aria-hidden="true">{NOTHING}</span>
            <span class="for-readers">no data</span>
          </>
        ) : (
          props.value
        )}
        {props.note === undefined ? null : <small>{props.note}</small>}
      </dd>
    </div>
  );
}

export function Figures(props: { children: ComponentChildren }) {
  return <dl class="figures">{props.children}</dl>;
}

/** A state in a word and a colour; the word alone is enough. */
export function Badge(props: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${props.tone}`}>{props.children}</span>;
}

/** Says that there is nothing yet, and the command that makes some. */
export function Empty(props: { what: string; command?: string }) {
  return (
    <div class="empty">
      <p>No data yet: {props.what}</p>
      {props.command === undefined ? null : <Code text={props.command} />}
    </div>
  );
}

export function Code(props: { text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div class="code">
      <pre tabIndex={0}>
        <code>{props.text}</code>
      </pre>
      <button
        type="button"
        class="quiet"
        onClick={() => {
          void navigator.clipboard.writeText(props.text).then(() => {
            setCopied(true);
            window.setTimeout(() => setCopied(false), 1500);
          });
        }}
      >
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}

/** A line of text as the server writes it: what stands in back-ticks is code. */
export function Ticked(props: { text: string }) {
  return <>{props.text.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>;
}

/** Why there is nothing to show: the server's own words, with the request's id to look it up in the log. */
export function Trouble(props: { error: Error | undefined; retry?: () => void }) {
  if (props.error === undefined) return null;
  const problem = props.error instanceof ApiError ? props.error.problem : undefined;
  // Not an error of anybody's: a door that asks for a key.
  const locked = problem?.status === 401 || problem?.status === 403;
  return (
    <div class={locked ? "trouble locked" : "trouble"} role="alert">
      <strong>{problem?.status === 401 ? "A key is needed" : problem?.status === 403 ? "This key may not see it" : problem?.title ?? (problem?.status ? `HTTP ${problem.status}` : "Failed")}</strong>
      <span>
        <Ticked text={props.error.message} />
      </span>
      {problem?.errors?.map((field) => (
        <span key={field.field}>
          <code>{field.field}</code> {field.message}
        </span>
      ))}
      {locked ? <span>Enter a key that may see this at the top right.</span> : null}
      {problem?.request_id === undefined ? null : <small>request {problem.request_id}</small>}
      {props.retry === undefined ? null : (
        <button type="button" onClick={props.retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ComponentChildren;
  /** Numbers stand right. */
  number?: boolean;
}

export function Table<Row>(props: {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  href?: (row: Row) => string;
  onRow?: (row: Row) => void;
}) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.label}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column.head} scope="col" class={column.number ? "number" : ""}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.rowKey(row)}>
              {props.columns.map((column, at) => (
                <td key={column.head} class={column.number ? "number" : ""}>
                  {at === 0 && props.href !== undefined ? (
                    <a href={props.href(row)}>{column.cell(row)}</a>
                  ) : at === 0 && props.onRow !== undefined ? (
                    <button type="button" class="link" onClick={() => props.onRow?.(row)}>
                      {column.cell(row)}
                    </button>
                  ) : (
                    column.cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A button that asks once before it acts, says what came of it, and shows what went wrong. */
export function Action(props: { label: string; question: string; run: () => Promise<string>; danger?: boolean; disabled?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState("");
  const [error, setError] = useState<Error | undefined>(undefined);
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      setDone(await props.run());
      dialog.current?.close();
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setBusy(false);
  };
  return (
    <>
      <button
        type="button"
        class={props.danger ? "danger" : ""}
        disabled={props.disabled ?? false}
        onClick={() => {
          setDone("");
          setError(undefined);
          dialog.current?.showModal();
        }}
      >
        {props.label}
      </button>
      <span class="done" role="status">
        {done}
      </span>
      <dialog ref={dialog} aria-label={props.label}>
        <p>{props.question}</p>
        <Trouble error={error} />
        <div class="actions">
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="button" class={props.danger ? "danger" : "main"} disabled={busy} onClick={() => void act()}>
            {busy ? "Working\u2026" : props.label}
          </button>
        </div>
      </dialog>
    </>
  );
}

let opened = false;

/** The title of the page, told to screen readers when it changes; the first page begins where every page begins. */
export function Title(props: { text: string; note?: string; children?: ComponentChildren }) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.text} \u2013 Tidegate`;
    if (opened) head.current?.focus();
    opened = true;
  }, [props.text]);
  return (
    <div class="title">
      <div>
        <h1 ref={head} tabIndex={-1}>
          {props.text}
        </h1>
        {props.note === undefined ? null : <p>{props.note}</p>}
      </div>
      <div class="actions">{props.children}</div>
    </div>
  );
}

export function Field(props: { label: string; note?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{props.label}</span>
      {props.children}
      {props.note === undefined ? null : <small>{props.note}</small>}
    </label>
  );
}
