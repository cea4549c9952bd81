import type { ServicePage } from "../service";

export const service: ServicePage = { id: "gateway", label: "Gateway", order: 30, load: async () => (await import("./page")).Page };
