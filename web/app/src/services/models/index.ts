import type { ServicePage } from "../service";

export const service: ServicePage = { id: "models", label: "Models", order: 20, load: async () => (await import("./page")).Page };
