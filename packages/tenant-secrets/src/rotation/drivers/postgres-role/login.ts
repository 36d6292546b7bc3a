import { Plaintext } from "@repo/envelope";
import { z } from "zod";
import { DriverError } from "../driver-error.ts";

/** What a secret of this driver holds, as JSON, and the secret that manages it, too. */
export const PostgresLogin = z.strictObject({
  host: z.string().min(1).max(253).meta({ title: "Host", secret: false }),
  port: z.int().min(1).max(65_535).default(5432).meta({ title: "Port", secret: false }),
  database: z.string().min(1).max(63).meta({ title: "Database", secret: false }),
  user: z.string().min(1).max(63).meta({ title: "User", secret: false }),
  password: z.string().min(1).max(1000).meta({ title: "Password" }),
});
export type PostgresLogin = z.output<typeof PostgresLogin>;

/** @throws {DriverError} misconfigured for what is no login */
export function readLogin(value: Plaintext | undefined): PostgresLogin {
  const login = value && parseLogin(value.reveal());
  if (login === undefined || `${login.database}${login.user}${login.password}`.includes("\0")) {
    throw new DriverError("misconfigured");
  }
  return login;
}

function parseLogin(text: string): PostgresLogin | undefined {
  try {
    return PostgresLogin.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export function writeLogin(login: PostgresLogin): Plaintext {
  return Plaintext.fromText(JSON.stringify(login));
}
