// The samples of GET /api/v1/performance/live, one a second, and the last five minutes of them.

export interface Percentiles {
  p50: number;
  p90: number;
  p99: number;
  p999: number;
}

export interface RouteSample {
  method: string;
  route: string;
  family: string;
  requests: number;
  errors: number;
  /** Of the requests in this sample; null when there were none. */
  latency_ms: Percentiles | null;
}

/** What happened in `interval_s` seconds up to `time`. */
export interface Sample {
  time: string;
  interval_s: number;
  requests: number;
  errors: number;
  in_flight: number;
  latency_ms: Percentiles | null;
  /** Counts by upper bound, the last one open. */
  latency_histogram: { upper_ms: number[]; counts: number[] };
  routes: RouteSample[];
  cache: { hits: number; misses: number };
  spend_points: number;
  /** Null: the kernel did not say. */
  process: { cpu_cores: number | null; resident_bytes: number | null; open_descriptors: number | null; loop_lag_ms: number };
}

export const KEEP = 300;
