// What the record says of the last day, by service and operation: cache hits and spend are counted for each decision, not for each second.
import { useEffect, useState } from "preact/hooks";
import { ask } from "../lib/api";
import { count, duration, percent } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { Card, Empty, Table, Trouble } from "../ui/basic";

interface Statistics {
  total_requests: number;
  by_status: Record<string, number>;
  by_source: Record<string, number>;
  by_operation: Record<string, number>;
  by_cache: Record<string, number>;
  latency: { p50: number; p99: number } | null;
  spend_points: number;
}
interface Row extends Statistics {
  operation: string;
}

const OPERATIONS_MAX = 12;
const EVERY_MS = 30_000;
/** A page that is left open for days shows the last day all the same: its begin moves on so often. */
const MOVE_MS = 900_000;

const dayAgo = (): string => new Date(Math.floor(Date.now() / 60_000) * 60_000 - 86_400_000).toISOString();

/** Of answers that could come from the cache; none could: nothing. */
function hitShare(by_cache: Record<string, number>): number | null {
  const hits = (by_cache["hit"] ?? 0) + (by_cache["stale"] ?? 0);
  const looked = hits + (by_cache["miss"] ?? 0);
  return looked === 0 ? null : hits / looked;
}

export function LastDay() {
  const [from, setFrom] = useState(dayAgo);
  useEffect(() => {
    const timer = window.setInterval(() => setFrom(dayAgo()), MOVE_MS);
    return () => window.clearInterval(timer);
  }, []);
  const path = `/api/compliance/statistics?from=${encodeURIComponent(from)}`;
  const all = useFetch<Statistics>(path, EVERY_MS);
  const [rows, setRows] = useState<Row[]>([]);
  const [error, setError] = useState<Error | undefined>(undefined);
  useEffect(() => {
    if (all.value === undefined) return undefined;
    const stop = new AbortController();
    const operations = Object.entries(all.value.by_operation).sort((a, b) => b[1] - a[1]).slice(0, OPERATIONS_MAX);
    Promise.all(operations.map(async ([operation]): Promise<Row> => ({ operation, ...(await ask<Statistics>(`${path}&operation=${encodeURIComponent(operation)}`, { signal: stop.signal })).value }))).then(
      (got) => {
        setRows(got);
        setError(undefined);
      },
      (reason: unknown) => {
        if (!stop.signal.aborted) setError(reason instanceof Error ? reason : new Error(String(reason)));
      },
    );
    return () => stop.abort();
  }, [all.value]);
  return (
    <Card title="The last day by service" note="from the record of decisions" wide>
      <Trouble error={all.error ?? error} />
      {all.value === undefined ? null : all.value.total_requests === 0 ? (
        <Empty what="nothing was decided in the last day." command={"tidegate load normal"} />
      ) : (
        <Table
          label="The last day by service and operation"
          rows={rows}
          rowKey={(row) => row.operation}
          columns={[
            { head: "Service", cell: (row) => Object.keys(row.by_source).join(", ") },
            { head: "Operation", cell: (row) => row.operation },
            { head: "Decisions", number: true, cell: (row) => count(row.total_requests) },
            { head: "Not answered", number: true, cell: (row) => count(row.total_requests - (row.by_status["success"] ?? 0)) },
            { head: "Cache hits", number: true, cell: (row) => percent(hitShare(row.by_cache)) },
            { head: "Spend", number: true, cell: (row) => count(row.spend_points) },
            { head: "p50", number: true, cell: (row) => duration(row.latency?.p50) },
            { head: "p99", number: true, cell: (row) => duration(row.latency?.p99) },
          ]}
        />
      )}
    </Card>
  );
}
