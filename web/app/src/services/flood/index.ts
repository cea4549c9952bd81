import type { ServicePage } from "../service";

export const service: ServicePage = { id: "flood", label: "Flood", order: 40, load: async () => (await import("./page")).Page };
