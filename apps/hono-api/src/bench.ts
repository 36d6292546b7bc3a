// For tooling/bench alone, which serves the routes from a process of its own.
export { createApp } from "./app.ts";
export { listen } from "./http-server.ts";
export { createLog } from "./log.ts";
export { createMetrics } from "./metrics/metrics.ts";
export { createStartUp } from "./bootstrap.ts";
export { signPeopleIn } from "./people.ts";
