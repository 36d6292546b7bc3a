import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { MakingDriver } from "../driver.ts";
import { DriverError } from "../driver-error.ts";
import { readLogin, Role, writeLogin } from "./login.ts";
import {
  createRoleWork,
  findRole,
  isSameDatabase,
  type PostgresRoleOptions,
  requireOrdinary,
  runFormatted,
} from "./role-work.ts";
import { scramVerifier } from "./scram.ts";

const Settings = z.strictObject({
  /** Two roles that log in by turns. Neither is a superuser. */
  roles: z.tuple([Role, Role]).refine(([one, other]) => one !== other),
  /** The role that owns what the two work with, and that both are members of. */
  group: Role.optional(),
  /** After how many days the database itself refuses the password. Default: never. */
  validDays: z.int().min(1).max(400).optional(),
});
type Settings = z.output<typeof Settings>;
const dayMs = 86_400_000;

/**
 * Rotates the login of a PostgreSQL database between two roles: while one is used, the other one gets a new password. The value
 * is {host, port, database, user, password}, as JSON. The manager is such a login, too, of a role that may alter the two.
 */
export function createPostgresRoleDriver(options: PostgresRoleOptions): MakingDriver<Settings> {
  const work = createRoleWork(options);

  return {
    name: "postgres-role",
    creates: "us",
    settings: Settings,
    overlap: "both-valid",
    settleSeconds: 30,
    manager: "required",
    refuses: ({ roles }, values) => work.refuses(values, roles),

    make({ roles }, current) {
      const login = readLogin(current);
      const [first, second] = roles;
      if (login.user !== first && login.user !== second) throw new DriverError("misconfigured");
      const user = login.user === first ? second : first;
      return writeLogin({ ...login, user, password: randomBytes(32).toString("base64url") });
    },

    refOf: (value) => readLogin(value).user,

    async apply(call, value) {
      const { roles, validDays } = call.settings;
      const next = readLogin(value);
      const current = readLogin(call.current);
      const isOfPair = roles.includes(next.user) && next.user !== current.user;
      if (!isOfPair || !isSameDatabase(next, current)) throw new DriverError("misconfigured");
      const expiresAt = validDays === undefined ? undefined : new Date(Date.now() + validDays * dayMs);
      await work.asManager(call, async (run) => {
        await requireOrdinary(run, next.user);
        const until = expiresAt?.toISOString() ?? "infinity";
        const values = [next.user, scramVerifier(next.password), until];
        await runFormatted(run, "alter role %I password %L valid until %L", values);
      });
      return { ref: next.user, expiresAt };
    },

    test: (call, value) => work.test(call, value, call.settings.group),

    async retire(call, { ref }) {
      const { roles } = call.settings;
      if (!roles.includes(ref) || ref === readLogin(call.current).user)
        throw new DriverError("misconfigured");
      return work.asManager(call, async (run) => {
        const role = await findRole(run, ref);
        if (role === undefined || role.isOver) return "gone";
        await requireOrdinary(run, ref);
        await runFormatted(run, "alter role %I password null valid until 'now'", [ref]);
        return "retired";
      });
    },

    async confirm(call, { ref }) {
      return work.asManager(call, async (run) => {
        const role = await findRole(run, ref);
        // Sessions go on after the password has ended.
        const sessions = await run("select 1 as one from pg_stat_activity where usename = $1", [ref]);
        return (role === undefined || role.isOver) && sessions.length === 0;
      });
    },
  };
}
