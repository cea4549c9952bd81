import type { ServicePage } from "../service";

export const service: ServicePage = { id: "content", label: "Content", order: 60, load: async () => (await import("./page")).Page };
