import { z } from "zod";
import { isAllowEntry, isLoopbackEntry } from "./allow-list.ts";
import { parseNetwork } from "./public-address.ts";

const list = z.string().transform((text) => text.split(",").map((part) => part.trim()));

/** The variables of a process that connects to addresses of tenants, for `readEnvironment`. */
export const outboundVariables = {
  OUTBOUND_ALLOW: list
    .refine(
      (entries) => entries.every(isAllowEntry),
      "holds a part that is not a host and a port, such as 127.0.0.1:9100",
    )
    .default([]),
  OUTBOUND_DENY: list
    .refine(
      (entries) => entries.every((entry) => parseNetwork(entry) !== undefined),
      "holds a part that is not a network, such as 203.0.113.0/24",
    )
    .default([]),
} as const;

/** Whether a list for `allow` names the machine of this process: for development and tests, and for no production. */
export function allowsLoopback(allow: readonly string[]): boolean {
  return allow.some(isLoopbackEntry);
}
