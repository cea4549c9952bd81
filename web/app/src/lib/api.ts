// Talking to the server: JSON requests, event streams, and the key that goes with both.
//
// Everything a page shows comes through here. A failure is an ApiError with the server's own words, never an empty value.

/** RFC 9457 problem document, as far as the pages use it. */
export interface Problem {
  status: number;
  title?: string;
  detail?: string;
  error?: string;
  request_id?: string;
  errors?: { field: string; message: string }[];
}

export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${problem.status}`);
    this.problem = problem;
  }
}

const KEY = "tidegate-key";
/** The key stays in this tab and is forgotten with it. */
export const key = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => {
    if (value === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
    window.dispatchEvent(new Event("tidegate-key"));
  },
};

function headers(more: Record<string, string> = {}): Record<string, string> {
  const held = key.get();
  return held === "" ? more : { ...more, Authorization: `Bearer ${held}` };
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const read = JSON.parse(text) as Problem & { error?: unknown };
    if (typeof read.error === "object" && read.error !== null) {
      return { status: response.status, detail: String((read.error as { message?: unknown }).message ?? text) };
    }
    if (typeof read.error === "string" && read.detail === undefined) {
      return { status: response.status, detail: read.error };
    }
    return { ...read, status: response.status };
  } catch {
    return { status: response.status, detail: text.slice(0, 300) || response.statusText };
  }
}

export interface Ask {
  method?: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, with its own type. */
  raw?: Blob | ArrayBuffer | FormData | string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** The answer's text is wanted as it came, JSON or not. */
  text?: boolean;
}

/** An answer with its headers, for pages that show `Server-Timing` or `X-Cache`. */
export interface Answer<T> {
  value: T;
  headers: Headers;
  milliseconds: number;
}

export async function ask<T>(path: string, what: Ask = {}): Promise<Answer<T>> {
  const begun = performance.now();
  let response: Response;
  try {
    response = await fetch(path, {
      method: what.method ?? (what.body === undefined && what.raw === undefined ? "GET" : "POST"),
      headers: headers({
        ...(what.body === undefined ? {} : { "Content-Type": "application/json" }),
        ...what.headers,
      }),
      ...(what.body === undefined ? {} : { body: JSON.stringify(what.body) }),
      ...(what.raw === undefined ? {} : { body: what.raw }),
      ...(what.signal === undefined ? {} : { signal: what.signal }),
      // What is posted is kept by no browser; "no-store" would also tell the server not to answer out of its own cache.
      ...(what.body === undefined && what.raw === undefined ? { cache: "no-store" as const } : {}),
    });
  } catch (reason) {
    if (reason instanceof DOMException && reason.name === "AbortError") throw reason;
    throw new ApiError({ status: 0, title: "No connection", detail: "The server does not answer." });
  }
  if (!response.ok) throw new ApiError(await problemOf(response));
  const type = response.headers.get("content-type") ?? "";
  const text = await response.text();
  const value = (type.includes("json") && text !== "" && what.text !== true ? JSON.parse(text) : text) as T;
  return { value, headers: response.headers, milliseconds: performance.now() - begun };
}

/** An answer of any status, as it came; only a server that does not answer is an ApiError. */
export interface Exchange {
  status: number;
  statusText: string;
  headers: Headers;
  body: Blob;
  milliseconds: number;
}

export async function exchange(path: string, what: Ask = {}): Promise<Exchange> {
  const begun = performance.now();
  try {
    const response = await fetch(path, {
      method: what.method ?? "GET",
      // The browser keeps nothing, and its own word for that ("no-cache") would keep the server from answering out of its cache.
      headers: headers({ "Cache-Control": "max-age=31536000", Pragma: "none", ...what.headers }),
      ...(what.raw === undefined ? {} : { body: what.raw }),
      ...(what.signal === undefined ? {} : { signal: what.signal }),
      cache: "no-store",
    });
    const body = await response.blob();
    return { status: response.status, statusText: response.statusText, headers: response.headers, body, milliseconds: performance.now() - begun };
  } catch (reason) {
    if (reason instanceof DOMException && reason.name === "AbortError") throw reason;
    throw new ApiError({ status: 0, title: "No connection", detail: "The server does not answer." });
  }
}

/** As JSON.parse, but a whole number that a double cannot hold keeps its digits, as text (where the browser gives the source). */
export function parseExact(text: string): unknown {
  const keep = (_name: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source !== undefined ? context.source : value;
  return JSON.parse(text, keep as (name: string, value: unknown) => unknown);
}

/** Gives the browser a file to save; how many bytes it has. */
export function save(text: string, type: string, name: string): number {
  const blob = new Blob([text], { type });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
  return blob.size;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask<T>(path, signal === undefined ? {} : { signal })).value;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return (await ask<T>(path, { method: "POST", body })).value;
}

export interface ServerEvent {
  event: string;
  data: string;
}

/**
 * Reads one event stream to its end. fetch() rather than EventSource: that one can send no Authorization header and no body.
 */
export async function readEvents(
  path: string,
  what: Ask,
  onEvent: (event: ServerEvent) => void,
  onOpen: () => void = () => {},
): Promise<void> {
  const response = await fetch(path, {
    method: what.method ?? (what.body === undefined ? "GET" : "POST"),
    headers: headers({
      Accept: "text/event-stream",
      ...(what.body === undefined ? {} : { "Content-Type": "application/json" }),
    }),
    ...(what.body === undefined ? {} : { body: JSON.stringify(what.body) }),
    ...(what.signal === undefined ? {} : { signal: what.signal }),
  });
  if (!response.ok) throw new ApiError(await problemOf(response));
  if (response.body === null) return;
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    let end: number;
    while ((end = waiting.indexOf("\n\n")) >= 0) {
      const block = waiting.slice(0, end);
      waiting = waiting.slice(end + 2);
      const read: ServerEvent = { event: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) read.event = line.slice(6).trim();
        if (line.startsWith("data:")) read.data += (read.data === "" ? "" : "\n") + line.slice(5).trimStart();
      }
      if (read.data !== "") onEvent(read);
    }
  }
}

export type StreamState = "connecting" | "open" | "lost";

/** Keeps a stream open until it is stopped; after a loss it tries again, at most ten seconds apart. */
export function follow(
  path: string,
  onEvent: (event: ServerEvent) => void,
  onState: (state: StreamState, error?: ApiError) => void,
): () => void {
  const stop = new AbortController();
  void (async () => {
    let pause = 500;
    while (!stop.signal.aborted) {
      onState("connecting");
      let error: ApiError | undefined;
      try {
        await readEvents(path, { signal: stop.signal }, onEvent, () => {
          pause = 500;
          onState("open");
        });
      } catch (reason) {
        if (reason instanceof ApiError) error = reason;
      }
      if (stop.signal.aborted) return;
      onState("lost", error);
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, 10_000);
    }
  })();
  return () => stop.abort();
}
