// One upstream: its targets, their breakers, what is under way.
import { count } from "../lib/format";
import type { Upstream } from "../lib/upstreams";
import { Badge, Card, Empty, Figure, Figures, Table, type Tone } from "./basic";

const BREAKER: Record<string, Tone> = { closed: "good", half_open: "warn", "half-open": "warn", open: "bad", forced_open: "bad", "forced-open": "bad" };

export function UpstreamCard(props: { upstream: Upstream; wide?: boolean }) {
  const { upstream } = props;
  const usable = upstream.targets.filter((target) => target.usable).length;
  return (
    <Card title={`Upstream ${upstream.name}`} wide={props.wide ?? false} actions={<Badge tone={usable === 0 ? "bad" : usable === upstream.targets.length ? "good" : "warn"}>{`${usable} of ${upstream.targets.length} usable`}</Badge>}>
      <Figures>
        <Figure label="In flight" value={count(upstream.in_flight)} note={`of at most ${count(upstream.limit)}`} />
        <Figure label="Waiting" value={count(upstream.waiting)} />
        <Figure label="Panic" value={upstream.panic ? "yes" : "no"} tone={upstream.panic ? "bad" : "plain"} note="too few are healthy: all are asked" />
      </Figures>
      {upstream.targets.length === 0 ? (
        <Empty what="its name leads to no address." />
      ) : (
        <Table
          label={`Targets of ${upstream.name}`}
          rows={upstream.targets}
          rowKey={(row) => row.target}
          columns={[
            { head: "Target", cell: (row) => <code>{row.target}</code> },
            { head: "Usable", cell: (row) => <Badge tone={row.usable ? "good" : "bad"}>{row.usable ? "yes" : "no"}</Badge> },
            { head: "Healthy", cell: (row) => <Badge tone={row.healthy ? "good" : "bad"}>{row.healthy ? "yes" : "no"}</Badge> },
            { head: "Breaker", cell: (row) => <Badge tone={BREAKER[row.breaker] ?? "plain"}>{row.breaker.replaceAll("_", " ")}</Badge> },
            { head: "Under way", number: true, cell: (row) => count(row.outstanding) },
            { head: "Picked", number: true, cell: (row) => count(row.picked) },
          ]}
        />
      )}
    </Card>
  );
}
