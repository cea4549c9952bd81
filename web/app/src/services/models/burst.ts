// Many equal requests at once, and what came of each.
import { ApiError, ask } from "../../lib/api";
import { batchOf } from "./tensor";

export const BURST_MAX = 64;

export interface Answered {
  status: number;
  milliseconds: number;
  batch: { rows: number; cut: string } | undefined;
}

export interface Burst {
  answers: Answered[];
  /** Most requests that the browser had under way at one moment, by its own record of them; undefined where it kept none. */
  together: number | undefined;
  milliseconds: number;
  why: string | undefined;
}

/** The most of `spans` that share a moment. */
export function mostAtOnce(spans: [number, number][]): number {
  const edges = spans.flatMap(([from, to]) => [[from, 1] as const, [to, -1] as const]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let [now, most] = [0, 0];
  for (const [, step] of edges) {
    now += step;
    most = Math.max(most, now);
  }
  return most;
}

export async function sendMany(path: string, body: string, times: number): Promise<Burst> {
  const begun = performance.now();
  let why: string | undefined;
  performance.clearResourceTimings();
  const one = async (): Promise<Answered> => {
    const from = performance.now();
    try {
      const got = await ask<string>(path, { raw: body, headers: { "Content-Type": "application/json", "X-Trace": "true" }, text: true });
      return { status: 200, milliseconds: performance.now() - from, batch: batchOf(got.headers.get("server-timing")) };
    } catch (reason) {
      why = reason instanceof Error ? reason.message : String(reason);
      return { status: reason instanceof ApiError ? reason.problem.status : 0, milliseconds: performance.now() - from, batch: undefined };
    }
  };
  const answers = await Promise.all(Array.from({ length: Math.min(times, BURST_MAX) }, one));
  const seen = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const spans = seen.filter((entry) => entry.name.endsWith(path) && entry.startTime >= begun && entry.requestStart > 0).map((entry): [number, number] => [entry.requestStart, entry.responseEnd]);
  return { answers, together: spans.length === 0 ? undefined : mostAtOnce(spans), milliseconds: performance.now() - begun, why };
}
