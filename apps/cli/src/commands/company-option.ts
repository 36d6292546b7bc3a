import type { Option } from "../command.ts";

export const company = {
  type: "string",
  required: true,
  value: "subdomain",
  help: "The company, by its subdomain",
} as const satisfies Option;

export const grace = {
  type: "string",
  value: "duration",
  help: "For how long the value that is replaced goes on to count: 24h, at most 30d",
} as const satisfies Option;
