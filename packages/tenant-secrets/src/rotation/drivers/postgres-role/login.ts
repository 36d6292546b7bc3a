import { PostgresLogin } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { z } from "zod";
import { DriverError } from "../driver-error.ts";

/** The name of a role in settings. */
export const Role = z
  .string()
  .min(1)
  .max(63)
  .refine((name) => name.isWellFormed() && !name.includes("\0"));

/** @throws {DriverError} misconfigured for what is no login */
export function readLogin(value: Plaintext | undefined): PostgresLogin {
  const login = value && parseLogin(value);
  if (login === undefined) throw new DriverError("misconfigured");
  return login;
}

/** @returns undefined for what is no login */
export function parseLogin(value: Plaintext): PostgresLogin | undefined {
  try {
    const login = PostgresLogin.safeParse(JSON.parse(value.reveal())).data;
    return login && `${login.database}${login.user}${login.password}`.includes("\0") ? undefined : login;
  } catch {
    return undefined;
  }
}

export function writeLogin(login: PostgresLogin): Plaintext {
  return Plaintext.fromText(JSON.stringify(login));
}
