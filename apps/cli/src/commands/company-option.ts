import type { Option } from "../command.ts";

export const company = {
  type: "string",
  required: true,
  value: "subdomain",
  help: "The company, by its subdomain",
} as const satisfies Option;

export const graceOptions = {
  grace: {
    type: "string",
    value: "duration",
    help: "For how long the value that is replaced goes on to count: 24h, at most 30d",
  },
  "end-grace": {
    type: "boolean",
    help: "End the grace windows of all earlier values, such as after a leak; without it, they last",
  },
} as const satisfies Record<string, Option>;
