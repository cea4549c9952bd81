// The pages that are not a service's own, in the order of the menu.
import type { ComponentType } from "preact";
import { Alerts } from "./alerts";
import { Cache } from "./cache";
import { Compliance } from "./compliance";
import { Decisions } from "./decisions";
import { Drift } from "./drift";
import { Jobs } from "./jobs";
import { Keys } from "./keys";
import { Live } from "./live";
import { Models } from "./models";
import { Performance } from "./performance";
import { Settings } from "./settings";
import { System } from "./system";
import { Upstreams } from "./upstreams";

export interface PageProps {
  /** What follows the page's own address: an id. */
  rest: string;
  query: URLSearchParams;
}

export interface PageEntry {
  href: string;
  label: string;
  group: "Now" | "Record" | "Operate";
  Page: ComponentType<PageProps>;
}

export const pages: PageEntry[] = [
  { href: "/live", label: "Live", group: "Now", Page: Live },
  { href: "/performance", label: "Performance", group: "Now", Page: Performance },
  { href: "/alerts", label: "Alerts", group: "Now", Page: Alerts },
  { href: "/decisions", label: "Decisions", group: "Record", Page: Decisions },
  { href: "/drift", label: "Drift", group: "Record", Page: Drift },
  { href: "/compliance", label: "Compliance", group: "Record", Page: Compliance },
  { href: "/cache", label: "Cache", group: "Operate", Page: Cache },
  { href: "/keys", label: "Keys and limits", group: "Operate", Page: Keys },
  { href: "/models", label: "Models", group: "Operate", Page: Models },
  { href: "/upstreams", label: "Upstreams", group: "Operate", Page: Upstreams },
  { href: "/jobs", label: "Jobs", group: "Operate", Page: Jobs },
  { href: "/settings", label: "Settings", group: "Operate", Page: Settings },
  { href: "/system", label: "System", group: "Operate", Page: System },
];
