// The upstreams as /health lists them, and what the API document says of the routes that lead to them.

export interface Target {
  target: string;
  usable: boolean;
  healthy: boolean;
  breaker: string;
  outstanding: number;
  picked: number;
}
export interface Upstream {
  name: string;
  panic: boolean;
  in_flight: number;
  limit: number;
  waiting: number;
  targets: Target[];
}
export interface ProxiedRoute {
  path: string;
  operation: string;
  /** Of its upstream; empty when no upstream of that name is known. */
  upstream: string;
  methods: string[];
  spend_points: number | undefined;
}

interface Operation {
  operationId?: string;
  summary?: string;
  tags?: string[];
  "x-spend-points"?: number;
}
export interface ApiDocument {
  paths: Record<string, Record<string, Operation | undefined>>;
}

/** The routes of the settings that are passed on. */
export function proxiedRoutes(document: ApiDocument, upstreams: Upstream[]): ProxiedRoute[] {
  return Object.entries(document.paths).flatMap(([path, methods]) => {
    const [, first] = Object.entries(methods).find(([, operation]) => operation?.tags?.includes("proxy")) ?? [];
    if (first === undefined) return [];
    const named = (first.summary ?? "").replace(/\.$/, "").split(" ").pop() ?? "";
    return [
      {
        path,
        operation: first.operationId ?? path,
        upstream: upstreams.some((one) => one.name === named) ? named : "",
        methods: Object.keys(methods).map((method) => method.toUpperCase()),
        spend_points: first["x-spend-points"],
      },
    ];
  });
}

/** The names in a path's template: `rest` of `/scorer/{rest...}`. */
export const placesIn = (template: string): string[] => [...template.matchAll(/\{(\w+)(?:\.\.\.)?\}/g)].map((found) => found[1] ?? "");

/** The path with its places filled in; a place that takes the rest of the path keeps its slashes. */
export function filled(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)(\.\.\.)?\}/g, (_all, name: string, rest: string | undefined) =>
    rest === undefined ? encodeURIComponent(values[name] ?? "") : (values[name] ?? "").split("/").map(encodeURIComponent).join("/"),
  );
}
