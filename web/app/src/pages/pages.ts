// The pages that are not a service's own, in the order of the menu.
import type { ComponentType } from "preact";
import { Live } from "./live";
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
  { href: "/system", label: "System", group: "Operate", Page: System },
];
