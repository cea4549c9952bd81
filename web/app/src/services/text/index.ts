import type { ServicePage } from "../service";

export const service: ServicePage = { id: "text", label: "Text", order: 10, load: async () => (await import("./page")).Page };
