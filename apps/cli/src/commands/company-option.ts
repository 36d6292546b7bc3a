import type { Option } from "../command.ts";

export const company = {
  type: "string",
  required: true,
  value: "subdomain",
  help: "The company, by its subdomain",
} as const satisfies Option;
