// For a server that puts its own middleware before the procedures. `TenantSecrets.handler` is all that others need.
export { maxBatchSize } from "./api-requests.ts";
export type { RequestOrigin } from "./companies/authenticate.ts";
export type { CompanyScope } from "./companies/companies.ts";
export { openApiDocument } from "./router/openapi.ts";
export { plainPath } from "./router/plain-door.ts";
export { appRouter } from "./router/router.ts";
export { serverCaller } from "./router/server-caller.ts";
export { serviceProcedures } from "./router/service-procedures.ts";
export { httpStatusOf, requestOf, retryAfter } from "./router/trpc.ts";
