// The pages that are not a service's own, in the order of the menu.
import type { ComponentType } from "preact";
import { Compliance } from "./compliance";
import { Decisions } from "./decisions";
import { Drift } from "./drift";
import { Live } from "./live";
import { Cache, Gateway, Keys } from "./operate";
import { System } from "./system";

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
  { href: "/decisions", label: "Decisions", group: "Record", Page: Decisions },
  { href: "/drift", label: "Drift", group: "Record", Page: Drift },
  { href: "/compliance", label: "Compliance", group: "Record", Page: Compliance },
  { href: "/cache", label: "Cache", group: "Operate", Page: Cache },
  { href: "/keys", label: "Keys and limits", group: "Operate", Page: Keys },
  { href: "/upstreams", label: "Upstreams", group: "Operate", Page: Gateway },
  { href: "/system", label: "System", group: "Operate", Page: System },
];
