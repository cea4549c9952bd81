// A service's try-it page. A new service adds a folder here with an index.tsx that exports `service`; nothing else changes.
import type { ComponentType } from "preact";

export interface ServicePage {
  /** The last part of the address: `#/try/text`. */
  id: string;
  label: string;
  /** Its place in the menu, ascending. */
  order: number;
  Page: ComponentType;
}

const found = import.meta.glob<{ service: ServicePage }>("./*/index.tsx", { eager: true });

export const services: ServicePage[] = Object.values(found)
  .map((module) => module.service)
  .sort((a, b) => a.order - b.order || a.id.localeCompare(b.id));
