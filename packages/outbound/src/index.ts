export { parseEntry as parsePlace, type Place } from "./allow-list.ts";
export type { OutboundAnswer, OutboundRequest } from "./exchange.ts";
export { createOutbound, type Outbound, type OutboundOptions } from "./outbound.ts";
export { OutboundError, type OutboundFailure } from "./outbound-error.ts";
export type { OutboundRefusal, RefusalCode } from "./refusal.ts";
export { standardFetch } from "./standard-fetch.ts";
export { allowsLoopback, outboundVariables } from "./variables.ts";
