// A service's try-it page. A new service adds a folder here with an index.ts that exports `service`; nothing else changes.
//
//     export const service: ServicePage = { id: "image", label: "Images", order: 30, load: async () => (await import("./page")).Page };
//
// What is in its folder belongs to it: views of its own, its style, its drawings. It is fetched when the page is opened, so that no service
// makes the first page heavier. ui/files.tsx takes files (images, sound), lib/api.ts sends them (`ask(path, {raw: form})`), reads streams of
// events (`readEvents`) and shows an answer as it came (`exchange`).
import type { ComponentType } from "preact";

export interface ServicePage {
  /** The last part of the address: `#/try/text`. */
  id: string;
  label: string;
  /** Its place in the menu, ascending. */
  order: number;
  load: () => Promise<ComponentType<ServiceProps>>;
}

export interface ServiceProps {
  /** What follows the page's own address: `#/try/models/minilm` gives `minilm`. */
  rest: string;
}

const found = import.meta.glob<{ service: ServicePage }>("./*/index.ts", { eager: true });

export const services: ServicePage[] = Object.values(found)
  .map((module) => module.service)
  .sort((a, b) => a.order - b.order || a.id.localeCompare(b.id));
