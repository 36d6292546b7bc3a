import { checkDeleted, namesOf, parseSecret, parseSecrets, parseSummaries, parseWritten } from "./answers.ts";
import type { InfisicalSecret, InfisicalSecretSummary, Scope } from "./answers.ts";
import type { Turns } from "./concurrency.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { believe, bodyOf, settle } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import type { Folders } from "./folders.ts";
import { errorOf, meaningOf } from "./outcome.ts";
import { rightTo } from "./rights.ts";

export interface NewValue {
  readonly name: string;
  readonly value: string;
  readonly replacesTwins: boolean;
}

export interface Put {
  /** Whether there was none of this name. */
  readonly created: boolean;
  readonly version: number;
  /** Whether a concurrent request created the secret too, and this one replaced both. Only on request. */
  readonly replacedTwins?: true;
}

export interface Secrets {
  list(deadline: Deadline, path: string): Promise<InfisicalSecret[]>;
  listSummaries(deadline: Deadline, path: string): Promise<InfisicalSecretSummary[]>;
  find(deadline: Deadline, path: string, name: string): Promise<InfisicalSecret | undefined>;
  put(deadline: Deadline, path: string, secret: NewValue): Promise<Put>;
  remove(deadline: Deadline, path: string, name: string): Promise<boolean>;
}

type WriteMethod = "POST" | "PATCH" | "DELETE";

/** Rounds of update or create, after which a write gives up on a secret that other clients create and delete meanwhile. */
const maxRounds = 3;

interface SecretsParts {
  readonly exchange: Exchange;
  readonly folders: Folders;
  readonly place: Omit<Scope, "path">;
  readonly turns: Turns;
}

export function createSecrets({ exchange, folders, place, turns }: SecretsParts): Secrets {
  const { projectId, environment } = place;
  // References stay text: the server would expand a company's `${prod.tenants.other.KEY}` with the service's rights.
  const literally = { projectId, environment, expandSecretReferences: false, includeImports: false };

  /** Whether several secrets of this name are in the folder. Where that cannot be found out, there may as well be one. */
  const hasTwins = async (deadline: Deadline, path: string, name: string): Promise<boolean> => {
    const looking = { viewSecretValue: false, isPartOfWrite: true };
    try {
      return namesOf(await listBody(deadline, path, looking)).filter((each) => each === name).length > 1;
    } catch {
      return false;
    }
  };

  const listBody = async (
    deadline: Deadline,
    secretPath: string,
    { viewSecretValue, isPartOfWrite = false }: { viewSecretValue: boolean; isPartOfWrite?: boolean },
  ) => {
    const target = { route: "GET secrets", path: secretPath, isPartOfWrite } as const;
    const outcome = await exchange.read({ deadline, ...target }, (sdk) =>
      sdk.secrets().listSecrets({ ...literally, secretPath, viewSecretValue, recursive: false }),
    );
    // The older server answers an empty list here, so the newer one's 404 becomes one too.
    if (outcome.kind === "refused" && meaningOf(outcome.refusal) === "MISSING_FOLDER") return { secrets: [] };
    return bodyOf(outcome, (viewSecretValue ? rightTo.read : rightTo.list)(secretPath));
  };

  const find = async (
    deadline: Deadline,
    { path: secretPath, name: secretName }: { path: string; name: string },
    { isPartOfWrite = false } = {},
  ) => {
    const target = { route: "GET secret", path: secretPath, isPartOfWrite } as const;
    const outcome = await exchange.read({ deadline, ...target }, (sdk) =>
      sdk.secrets().getSecret({ ...literally, secretPath, secretName, viewSecretValue: true }),
    );
    if (outcome.kind === "refused") {
      const meaning = meaningOf(outcome.refusal);
      if (meaning === "MISSING_SECRET" || meaning === "MISSING_FOLDER") return undefined;
    }
    return parseSecret(bodyOf(outcome, rightTo.read(secretPath)), { ...place, path: secretPath }, secretName);
  };

  const write = (
    deadline: Deadline,
    { method, path, name, value }: { method: WriteMethod; path: string; name: string; value?: string },
  ) =>
    exchange.request(
      { deadline, route: `${method} secret`, path },
      {
        method,
        address: `/api/v3/secrets/raw/${encodeURIComponent(name)}`,
        body: { workspaceId: projectId, environment, secretPath: path, type: "shared", secretValue: value },
      },
    );

  const remove = async (deadline: Deadline, path: string, name: string) => {
    const outcome = believe(await write(deadline, { method: "DELETE", path, name }), (body) =>
      checkDeleted(body, "secret"),
    );
    if (outcome.kind === "unknown") {
      return settle(outcome, async () =>
        (await find(deadline, { path, name }, { isPartOfWrite: true })) === undefined ? true : undefined,
      );
    }
    if (outcome.kind === "refused") {
      const meaning = meaningOf(outcome.refusal);
      if (meaning === "MISSING_SECRET" || meaning === "MISSING_FOLDER") return false;
    }
    bodyOf(outcome, rightTo.delete(path));
    return true;
  };

  const put = async (deadline: Deadline, path: string, { name, value, replacesTwins }: NewValue) => {
    const written = async (method: "POST" | "PATCH") => {
      const outcome = believe(await write(deadline, { method, path, name, value }), (body) =>
        parseWritten(body, { ...place, path }, name),
      );
      if (outcome.kind === "answered") return outcome.body;
      if (outcome.kind === "refused") return outcome.refusal;
      return settle(outcome, async () => {
        const found = await find(deadline, { path, name }, { isPartOfWrite: true });
        return found?.value === value ? { version: found.version } : undefined;
      });
    };
    const recreate = async () => {
      // All of that name go.
      await remove(deadline, path, name);
      const create = await written("POST");
      return "version" in create ? create : undefined;
    };
    for (let round = 0; round < maxRounds; round += 1) {
      const update = await written("PATCH");
      if ("version" in update) return { created: false, version: update.version };
      const meaning = meaningOf(update);
      if (meaning === "MISSING_FOLDER" && path !== "/") await folders.create(deadline, path);
      else if (meaning !== "MISSING_SECRET") throw errorOf(update, rightTo.edit(path));

      const create = await written("POST");
      if ("version" in create) {
        if (!replacesTwins) return { created: true, version: create.version };
        return withoutTwins(create, () => hasTwins(deadline, path, name), recreate);
      }
      // Someone else created it, or deleted the folder, in between: round again.
      if (meaningOf(create) !== "ALREADY_EXISTS" && meaningOf(create) !== "MISSING_FOLDER")
        throw errorOf(create, rightTo.create(path));
    }
    throw new InfisicalError("SERVER_ERROR", { sentence: "others keep changing this secret; try again" });
  };

  // One write at a time for each secret: the older server makes two secrets of one name out of two creates at once.
  const turnOf = (path: string, name: string) => `${path} ${name}`;
  return {
    list: async (deadline, path) =>
      parseSecrets(await listBody(deadline, path, { viewSecretValue: true }), { ...place, path }),
    listSummaries: async (deadline, path) =>
      parseSummaries(await listBody(deadline, path, { viewSecretValue: false }), { ...place, path }),
    find: (deadline, path, name) => find(deadline, { path, name }),
    put: (deadline, path, secret) =>
      turns(turnOf(path, secret.name), deadline, () => put(deadline, path, secret)),
    remove: (deadline, path, name) => turns(turnOf(path, name), deadline, () => remove(deadline, path, name)),
  };
}

/**
 * Two creates at once, of which one is not ours, can leave two secrets of one name: an update reaches one of them, and a read
 * meets the other, for good. There is no way to delete one of them.
 *
 * @throws {InfisicalError} `AMBIGUOUS` where both are gone, or may be, and ours was not created again
 */
async function withoutTwins(
  { version }: { readonly version: number },
  hasTwins: () => Promise<boolean>,
  recreate: () => Promise<{ readonly version: number } | undefined>,
): Promise<Put> {
  if (!(await hasTwins())) return { created: true, version };
  for (let round = 0; round < maxRounds; round += 1) {
    const recreated = await recreate().catch(() => undefined);
    if (recreated === undefined) break;
    if (!(await hasTwins())) return { created: true, version: recreated.version, replacedTwins: true };
  }
  throw new InfisicalError("AMBIGUOUS");
}
