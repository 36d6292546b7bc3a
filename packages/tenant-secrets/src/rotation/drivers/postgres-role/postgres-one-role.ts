import { randomBytes } from "node:crypto";
import type { PostgresLogin } from "@repo/catalog";
import { z } from "zod";
import type { DriverCall, MakingDriver } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { readLogin, Role, writeLogin } from "./login.ts";
import {
  createRoleWork,
  isSameDatabase,
  type PostgresRoleOptions,
  requireOrdinary,
  runFormatted,
} from "./role-work.ts";
import { scramVerifier } from "./scram.ts";

const Settings = z.strictObject({
  /** The role that logs in. It is no superuser. */
  role: Role,
});
type Settings = z.output<typeof Settings>;

/**
 * Renews the password of one role that logs in to a PostgreSQL database. The old password ends as the new one is set. Value and
 * manager are as those of the driver with two roles.
 */
export function createPostgresOneRoleDriver(options: PostgresRoleOptions): MakingDriver<Settings> {
  const work = createRoleWork(options);

  const setPassword = (call: DriverCall<Settings>, { user, password }: PostgresLogin): Promise<void> =>
    work.asManager(call, async (run) => {
      await requireOrdinary(run, user);
      await runFormatted(run, "alter role %I password %L", [user, scramVerifier(password)]);
    });

  return {
    name: "postgres-one-role",
    creates: "us",
    settings: Settings,
    overlap: "replaces",
    settleSeconds: 30,
    manager: "required",
    warning:
      "The old password ends as soon as the new one is set: connections that are opened with it fail until the program has read the secret again. The driver postgres-role rotates between two roles without that.",
    refuses: ({ role }, values) => work.refuses(values, [role]),

    make({ role }, current) {
      const login = readLogin(current);
      if (login.user !== role) throw new DriverError("misconfigured");
      return writeLogin({ ...login, password: randomBytes(32).toString("base64url") });
    },

    async apply(call, value) {
      const next = readLogin(value);
      const current = readLogin(call.current);
      if (next.user !== call.settings.role || current.user !== next.user || !isSameDatabase(next, current)) {
        throw new DriverError("misconfigured");
      }
      await setPassword(call, next);
      return { ref: next.user };
    },

    test: (call, value) => work.test(call, value, undefined),

    // The role has one password: another one ends as the current value's is set.
    async retire(call, { ref, value }) {
      const current = readLogin(call.current);
      if (ref !== call.settings.role || ref !== current.user) throw new DriverError("misconfigured");
      if (value !== undefined && (await work.test(call, value, undefined)) === "rejected") return "gone";
      await setPassword(call, current);
      return "retired";
    },

    async confirm(call, { value }) {
      return value === undefined || (await work.test(call, value, undefined)) === "rejected";
    },
  };
}
