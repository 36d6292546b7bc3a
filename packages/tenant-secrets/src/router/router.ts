import { auditRouter } from "./audit.ts";
import { companiesRouter } from "./companies.ts";
import { keysRouter } from "./keys.ts";
import { runsRouter } from "./runs.ts";
import { secretsRouter } from "./secrets.ts";
import { createCallerFactory, router } from "./trpc.ts";
import { usersRouter } from "./users.ts";

export const appRouter = router({
  secrets: secretsRouter,
  companies: companiesRouter,
  keys: keysRouter,
  runs: runsRouter,
  users: usersRouter,
  audit: auditRouter,
});
export type AppRouter = typeof appRouter;

/** Calls procedures in process, with a context of `createContext` or `createCallerContext`. */
export const createCaller = createCallerFactory(appRouter);
