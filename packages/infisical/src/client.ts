import { z } from "zod";
import type { InfisicalFolder, InfisicalSecret, InfisicalSecretSummary } from "./answers.ts";
import { createTurns } from "./concurrency.ts";
import { startDeadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { createExchange } from "./exchange.ts";
import { createFolders } from "./folders.ts";
import { checkName, checkPath, checkValue, normalizeSiteUrl } from "./input.ts";
import { createSecrets } from "./secrets.ts";

export const infisicalEnvironment = z.enum(["dev", "staging", "prod"]);
export type InfisicalEnvironment = z.output<typeof infisicalEnvironment>;

export interface InfisicalOptions {
  /** Address of the server, https unless it is on this machine. */
  siteUrl: string;
  clientId: string;
  clientSecret: string;
  projectId: string;
  environment: InfisicalEnvironment;
  /** For a whole call, log-in, waiting and re-reading included. Default 5,000. */
  deadlineMs?: number;
  /** Requests in flight at once. Default 8. */
  maxConcurrency?: number;
}

/**
 * Folders and secrets of one environment of one Infisical project. Every method throws `InfisicalError`: before
 * anything is sent `INVALID_INPUT` for a path, name or value of a wrong form, after it any of the other codes.
 */
export interface InfisicalClient {
  /** The direct children of a folder; none for a missing folder. Of folders that share a name, one. */
  listFolders(path: string): Promise<readonly InfisicalFolder[]>;
  /** Makes the folder and its missing parents; nothing happens to those that exist. */
  createFolder(path: string): Promise<void>;
  /** Deletes the folder with everything below it; nothing happens if it is missing. */
  deleteFolder(path: string): Promise<void>;
  /** The secrets directly in a folder, ordered by name; none for a missing folder. References are not expanded. */
  listSecrets(path: string): Promise<readonly InfisicalSecret[]>;
  /** Like `listSecrets`, without asking for the values. */
  listSecretSummaries(path: string): Promise<readonly InfisicalSecretSummary[]>;
  /** One secret, or undefined when it or its folder is missing. References are not expanded. */
  findSecret(path: string, name: string): Promise<InfisicalSecret | undefined>;
  /**
   * Creates or replaces a secret, and its folder if that is missing. `AMBIGUOUS` when it is not known whether the
   * write was applied. Values must pass `survivesInfisical`.
   */
  putSecret(path: string, name: string, value: string): Promise<{ created: boolean; version: number }>;
  /** Deletes a secret. False when there was none; true also when it is gone after an attempt without an answer. */
  deleteSecret(path: string, name: string): Promise<boolean>;
  /** Resolves if the log-in works and the server knows project and environment. */
  ping(): Promise<void>;
}

const optionsSchema = z.object({
  siteUrl: z.string().min(1),
  clientId: z.string().min(1),
  clientSecret: z.string().min(1),
  projectId: z.string().min(1),
  environment: infisicalEnvironment,
  deadlineMs: z.int().positive().default(5_000),
  maxConcurrency: z.int().positive().default(8),
});

/**
 * Makes a client; nothing is sent before its first call.
 *
 * @throws {InfisicalError} `INVALID_INPUT` for options of a wrong form
 */
export function createInfisicalClient(options: InfisicalOptions): InfisicalClient {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => String(issue.path[0]));
    throw new InfisicalError("INVALID_INPUT", {
      sentence: `these options are missing or wrong: ${names.join(", ")}`,
    });
  }
  const { clientId, clientSecret, projectId, environment, deadlineMs, maxConcurrency } = parsed.data;
  const credentials = { siteUrl: normalizeSiteUrl(parsed.data.siteUrl), clientId, clientSecret };
  const exchange = createExchange(credentials, { deadlineMs, maxConcurrency });
  const turns = createTurns();
  const place = { projectId, environment };
  const folders = createFolders(exchange, place, turns);
  const secrets = createSecrets(exchange, folders, place, turns);
  const deadline = () => startDeadline(deadlineMs);

  return {
    async listFolders(path) {
      checkPath(path);
      return oneOfEachName(await folders.list(deadline(), path));
    },
    async createFolder(path) {
      checkPath(path);
      if (path !== "/") await folders.create(deadline(), path);
    },
    async deleteFolder(path) {
      checkPath(path);
      if (path === "/")
        throw new InfisicalError("INVALID_INPUT", { sentence: "the root folder cannot be deleted" });
      await folders.remove(deadline(), path);
    },
    async listSecrets(path) {
      checkPath(path);
      return secrets.list(deadline(), path);
    },
    async listSecretSummaries(path) {
      checkPath(path);
      return secrets.listSummaries(deadline(), path);
    },
    async findSecret(path, name) {
      checkPath(path);
      checkName(name);
      return secrets.find(deadline(), path, name);
    },
    async putSecret(path, name, value) {
      checkPath(path);
      checkName(name);
      checkValue(value);
      return secrets.put(deadline(), path, name, value);
    },
    async deleteSecret(path, name) {
      checkPath(path);
      checkName(name);
      return secrets.remove(deadline(), path, name);
    },
    // Listing secrets would not do: the older server lists none, without an error, where there is no environment.
    async ping() {
      await folders.list(deadline(), "/");
    },
  };
}

/** Ordered by name; of twins the one with the smaller id, so that every process sees the same. */
function oneOfEachName(found: readonly InfisicalFolder[]): InfisicalFolder[] {
  const byId = found.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const byName = new Map(byId.map((folder) => [folder.name, folder]));
  return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
