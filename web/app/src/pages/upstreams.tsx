// Upstreams: the model services behind this server, their targets and breakers, and the routes that lead to them.
import { count } from "../lib/format";
import { useFetch } from "../lib/hooks";
import { proxiedRoutes, type ApiDocument, type Upstream } from "../lib/upstreams";
import { Badge, Card, Empty, Table, Title, Trouble } from "../ui/basic";
import { UpstreamCard } from "../ui/upstream";

const EXAMPLE = 'upstreams:\n  app:\n    targets: [{url: "http://127.0.0.1:9000"}]\nroutes:\n  all: {path: "/app/{rest...}", strip_prefix: /app, upstream: app}';

export function Upstreams() {
  const { value, error } = useFetch<{ upstreams: Upstream[] }>("/health", 3000);
  const document = useFetch<ApiDocument>("/openapi.json");
  const routes = value === undefined || document.value === undefined ? [] : proxiedRoutes(document.value, value.upstreams);
  return (
    <>
      <Title text="Upstreams" note="The model services behind this server: their targets, breakers and load." />
      <Trouble error={error ?? document.error} />
      {value === undefined ? null : value.upstreams.length === 0 ? (
        <Card>
          <Empty what="no upstream is configured. A few lines of YAML put this server in front of a service:" command={EXAMPLE} />
        </Card>
      ) : (
        <div class="grid">
          {value.upstreams.map((upstream) => (
            <UpstreamCard key={upstream.name} upstream={upstream} wide />
          ))}
          <Card title="Routes that lead there" wide>
            {routes.length === 0 ? (
              <Empty what="no route of the settings leads to an upstream." />
            ) : (
              <Table
                label="Routes to upstreams"
                rows={routes}
                rowKey={(row) => row.operation}
                href={(row) => `#/try/gateway/${encodeURIComponent(row.operation)}`}
                columns={[
                  { head: "Route", cell: (row) => row.operation },
                  { head: "Path", cell: (row) => <code>{row.path}</code> },
                  { head: "Upstream", cell: (row) => (row.upstream === "" ? "" : <Badge tone="plain">{row.upstream}</Badge>) },
                  { head: "Points", number: true, cell: (row) => (row.spend_points === undefined ? "" : count(row.spend_points)) },
                ]}
              />
            )}
          </Card>
        </div>
      )}
    </>
  );
}
