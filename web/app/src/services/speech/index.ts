import type { ServicePage } from "../service";

export const service: ServicePage = { id: "speech", label: "Speech", order: 50, load: async () => (await import("./page")).Page };
