// What /api/v1/performance answers, as far as the pages show it. A number that was not measured is null.

type Maybe = number | null;

export interface Span {
  from: string;
  to: string;
  covered_s: number;
  samples: number;
  blocks: number;
  block_s: number;
}
export interface Judged {
  name: string;
  unit: string;
  state: string;
  value: Maybe;
  since: string | null;
  bad_when: string;
  thresholds: { elevated: number; warning: number; critical: number };
  reason: string | null;
}
export interface PerformanceHealth {
  state: string;
  judged_at: string | null;
  metrics: Judged[];
}
export interface Times {
  avg: Maybe;
  p50: Maybe;
  p90: Maybe;
  p95: Maybe;
  p99: Maybe;
  p999: Maybe;
  max: Maybe;
}
export interface Trend {
  name: string;
  unit: string;
  direction: string;
  blocks: number;
  p_adjusted: Maybe;
  slope_per_hour: Maybe;
  change_percent: Maybe;
}
/** One block of the period; each measure by its name. */
export type Point = { time: string; covered_s: number; requests: number; errors: number } & Record<string, Maybe | string>;
export interface SlowRoute {
  method: string;
  route: string;
  requests: number;
  errors: number;
  response_times_ms: Times | null;
  slow_stage: string | null;
  slow_stage_percent: Maybe;
  slow_stage_mean_ms: Maybe;
  basis: string | null;
}
export interface Compared {
  name: string;
  unit: string;
  verdict: string;
  before: Maybe;
  now: Maybe;
  change_percent: Maybe;
  p_adjusted: Maybe;
}
export interface PerformanceReport {
  made: string;
  period: string;
  span: Span;
  requests: { total: number; errors: number; error_percent: Maybe; per_second: Maybe };
  response_times_ms: Times | null;
  stages: { stage: string; requests: number; share_percent: Maybe; times_ms: Times | null }[];
  slowest_routes: SlowRoute[];
  trends: { test: string; level: number; least_change_percent: number; items: Trend[] };
  regressions: { previous: Span | null; reason: string | null; test: string; worse: number; items: Compared[] };
  capacity: { method: string; reason: string | null; requests_per_second: Maybe; low: Maybe; high: Maybe; cpu_ms_per_request: Maybe; cores: number; observed_peak: Maybe };
  database: { times_ms: Times | null; slow_statements: { time: string; ms: number; text: string }[] };
  points: Point[];
}
export interface ActionResult {
  action: string;
  group: string;
  outcome: string;
  detail: string;
  changes: { name: string; unit: string; before: Maybe; after: Maybe }[];
  took_ms: number;
  time: string;
  by: string;
}
export interface Advice {
  auto_apply: boolean;
  recommended: { action: string; group: string; what: string; reason: string }[];
  done: ActionResult[];
}
