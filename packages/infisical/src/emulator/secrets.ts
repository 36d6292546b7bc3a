import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { SecretAction } from "./generation.ts";
import { findImported, importedFolders } from "./imports.ts";
import {
  checkFolderPath,
  enterProject,
  findEnvironment,
  findFolder,
  pick,
  walkFolders,
  withoutTrailingSlash,
} from "./place.ts";
import type { Visit } from "./place.ts";
import { checkReferences } from "./references.ts";
import type { Standing } from "./references.ts";
import { badRequest, internalError } from "./refusal.ts";
import { checkRight } from "./rights.ts";
import { fullOnWire, importedOnWire, readOnWire } from "./secret-wire.ts";
import type { View } from "./secret-wire.ts";
import type { RightAction, StoredSecret } from "./state.ts";
import { findTags, hasTagOf } from "./tags.ts";

const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const secretPath = z.string().trim().default("/").transform(withoutTrailingSlash);
const place = {
  workspaceId: z.string().trim().optional(),
  workspaceSlug: z.string().trim().optional(),
  environment: z.string().trim().optional(),
  secretPath,
};
const view = { viewSecretValue: flag.default(true), expandSecretReferences: flag.default(false) };
const fields = {
  secretComment: z.string().trim().optional(),
  secretMetadata: z.array(z.object({ key: z.string(), value: z.string() })).optional(),
  skipMultilineEncoding: z.boolean().optional(),
  type: z.enum(["shared", "personal"]).default("shared"),
  tagIds: z.array(z.string()).optional(),
  secretReminderNote: z.string().max(1024).nullish(),
  secretReminderRepeatDays: z.number().int().min(1).nullish(),
};
// The server trims, for the sake of pasted values, but keeps one newline at the end, for the sake of PEM files.
const secretValue = z.string().transform((text) => text.trim() + (text.endsWith("\n") ? "\n" : ""));

export const listSecretsQuery = z.object({
  ...place,
  ...view,
  recursive: flag.default(false),
  include_imports: flag.default(false),
  tagSlugs: z.string().optional(),
});
export const getSecretQuery = z.object({
  ...place,
  ...view,
  version: z.coerce.number().int().optional(),
  include_imports: flag.default(false),
});
export const createSecretBody = z.object({ ...place, ...fields, secretValue });
export const updateSecretBody = z.object({
  ...place,
  ...fields,
  secretValue: secretValue.optional(),
  newSecretName: z.string().trim().min(1).optional(),
});
export const deleteSecretBody = z.object({ ...place, type: fields.type });

type Place = z.output<z.ZodObject<typeof place>>;
type Hidden = Pick<View, "isHidden">;
type Created = z.output<typeof createSecretBody>;
type Updated = z.output<typeof updateSecretBody>;
type Deleted = z.output<typeof deleteSecretBody>;
interface Named {
  readonly name: string;
}

export function listSecrets(visit: Visit, query: z.output<typeof listSecretsQuery> & Hidden) {
  const { generation } = visit;
  if ((query.workspaceId ?? query.workspaceSlug) === undefined || query.environment === undefined) {
    throw generation.refusals.missingScope();
  }
  const project = enterProject(visit, projectOf(query));
  if (!query.recursive) checkFolderPath(visit, query.secretPath);
  checkReading(visit, query);
  const environment = findEnvironment(project, query.environment);
  const start = environment && findFolder(environment, query.secretPath);
  if (start === undefined) return generation.listNowhere(wantedFolder(query, environment), query.recursive);
  const places = query.recursive
    ? walkFolders(start, query.secretPath)
    : [{ folder: start, path: query.secretPath }];
  const { tagSlugs } = query;
  const isWanted = (secret: StoredSecret) => !tagSlugs || hasTagOf(project, secret, tagSlugs);
  const secrets = places.flatMap(({ folder, path }) =>
    folder.secrets.filter(isWanted).map((secret) =>
      readOnWire(visit, "listed", {
        wanted: { ...query, secretPath: path },
        standing: { project, folder },
        secret,
      }),
    ),
  );
  // Sorted by the random id, so that no client comes to rely on an order.
  const sorted = secrets.toSorted((a, b) => (String(a["id"]) < String(b["id"]) ? -1 : 1));
  const hasImports = generation.hasImportsAlways || query.include_imports;
  const imports = query.include_imports
    ? importedFolders(project, start).map(({ environment: slug, path, folder }) => ({
        secretPath: path,
        environment: slug,
        folderId: folder.id,
        secrets: folder.secrets.map((secret) =>
          importedOnWire(visit, { environment: slug, project, secret }),
        ),
      }))
    : [];
  return { secrets: sorted, ...(hasImports ? { imports } : {}) };
}

export function getSecret(visit: Visit, name: string, query: z.output<typeof getSecretQuery> & Hidden) {
  const { generation } = visit;
  const standing = enter(visit, query, "get");
  const imported = query.include_imports ? findImported(standing.project, standing.folder, name) : undefined;
  const current = findSecret(standing, name) ?? imported?.secret;
  const wanted = generation.honoursVersion ? query.version : undefined;
  const past = current?.history.find(({ version }) => version === (wanted ?? current.version));
  if (current === undefined || past === undefined) throw generation.refusals.missingSecret(name, "get");
  if (!generation.checksRightsFirst) checkReading(visit, query);
  return {
    secret: readOnWire(visit, "read", { wanted: query, standing, secret: { ...current, ...past } }),
  };
}

/** Does not create the folder. */
export async function createSecret(visit: Visit, name: string, body: Created) {
  const standing = enterToCreate(visit, name, body);
  if (visit.pauseBeforeWrite) await visit.pauseBeforeWrite();
  return insertSecret(visit, standing, { ...body, name });
}

/** Looks whether the secret can be created. */
export function enterToCreate(visit: Visit, name: string, body: Created): Standing {
  checkSecretName(visit, name);
  const standing = enter(visit, body, "create");
  if (body.type === "personal") throw badRequest("Must be user to create personal secret");
  if (findSecret(standing, name) !== undefined) throw badRequest("Secret already exist");
  checkLate(visit, "create", body);
  if (visit.generation.checksReferences) checkReferences(body.secretValue, standing);
  return standing;
}

export function insertSecret(visit: Visit, { project, folder }: Standing, body: Created & Named) {
  const now = new Date().toISOString();
  const secret: StoredSecret = {
    id: randomUUID(),
    name: body.name,
    value: body.secretValue,
    comment: body.secretComment ?? "",
    metadata: body.secretMetadata ?? [],
    skipMultilineEncoding: body.skipMultilineEncoding ?? false,
    tagIds: findTags(project, body.tagIds ?? []).map(({ id }) => id),
    reminderNote: body.secretReminderNote ?? null,
    reminderRepeatDays: body.secretReminderRepeatDays ?? null,
    version: 1,
    createdAt: now,
    updatedAt: now,
    history: [{ version: 1, value: body.secretValue }],
  };
  folder.secrets.push(secret);
  return { secret: pick(visit.generation.secretFields.created, fullOnWire(body, project, secret)) };
}

/** Every update increments the version. The response echoes the request: omitted fields are empty. */
export function updateSecret(visit: Visit, name: string, body: Updated) {
  const { refusals, secretFields, checksReferences } = visit.generation;
  const standing = enter(visit, body, "update");
  const secret = findSecret(standing, name);
  if (secret === undefined) throw refusals.missingSecret(name, "update");
  checkLate(visit, "edit", body);
  const newName = body.newSecretName ?? name;
  if (newName !== name) {
    checkSecretName(visit, newName);
    if (findSecret(standing, newName) !== undefined) throw refusals.nameTaken();
  }
  if (body.secretValue !== undefined && checksReferences) checkReferences(body.secretValue, standing);
  const tags = body.tagIds && findTags(standing.project, body.tagIds);
  secret.name = newName;
  secret.value = body.secretValue ?? secret.value;
  secret.comment = body.secretComment ?? secret.comment;
  secret.metadata = body.secretMetadata ?? secret.metadata;
  secret.skipMultilineEncoding = body.skipMultilineEncoding ?? secret.skipMultilineEncoding;
  secret.tagIds = tags?.map(({ id }) => id) ?? secret.tagIds;
  // An absent field keeps the reminder, and null removes it.
  const { secretReminderNote = secret.reminderNote, secretReminderRepeatDays = secret.reminderRepeatDays } =
    body;
  secret.reminderNote = secretReminderNote;
  secret.reminderRepeatDays = secretReminderRepeatDays;
  secret.version += 1;
  secret.updatedAt = new Date().toISOString();
  secret.history.push({ version: secret.version, value: secret.value });
  // Like an updated row in PostgreSQL, the secret moves behind its twin, so that a lookup finds the twin first.
  standing.folder.secrets = [...standing.folder.secrets.filter((other) => other !== secret), secret];
  const echoed = { ...secret, value: body.secretValue ?? "", comment: body.secretComment ?? "" };
  return { secret: pick(secretFields.changed, fullOnWire(body, standing.project, echoed)) };
}

export async function deleteSecret(visit: Visit, name: string, body: Deleted) {
  const standing = enterToDelete(visit, name, body);
  if (visit.pauseBeforeWrite) await visit.pauseBeforeWrite();
  return removeSecret(visit, standing, { ...body, name });
}

/** Looks whether there is something to delete. */
export function enterToDelete(visit: Visit, name: string, body: Deleted): Standing {
  const standing = enter(visit, body, "delete");
  if (findSecret(standing, name) === undefined) throw visit.generation.refusals.missingSecret(name, "delete");
  checkLate(visit, "delete", body);
  return standing;
}

/** All of that name go. */
export function removeSecret(visit: Visit, { project, folder }: Standing, body: Deleted & Named) {
  const { name } = body;
  const secret = findSecret({ project, folder }, name);
  // Another request has deleted the secret since the check.
  if (secret === undefined) throw internalError();
  folder.secrets = folder.secrets.filter((candidate) => candidate.name !== name);
  return { secret: pick(visit.generation.secretFields.changed, fullOnWire(body, project, secret)) };
}

export function enter(visit: Visit, wanted: Place, action: SecretAction): Standing {
  if (wanted.environment === undefined) throw badRequest("Missing environment");
  if ((wanted.workspaceId ?? wanted.workspaceSlug) === undefined) {
    throw badRequest("You must provide workspaceSlug or workspaceId");
  }
  const project = enterProject(visit, projectOf(wanted));
  if (visit.generation.checksRightsFirst) {
    checkRight(visit, actions[action], { on: "secrets", path: wanted.secretPath });
  }
  checkFolderPath(visit, wanted.secretPath);
  const environment = findEnvironment(project, wanted.environment);
  const folder = environment && findFolder(environment, wanted.secretPath);
  if (folder !== undefined) return { project, folder };
  throw visit.generation.refusals.missingFolder(wantedFolder(wanted, environment), action);
}

const actions: Readonly<Record<SecretAction, RightAction>> = {
  get: "readValue",
  create: "create",
  update: "edit",
  delete: "delete",
  createMany: "create",
  updateMany: "edit",
  deleteMany: "delete",
};

function checkReading(
  visit: Visit,
  { secretPath: path, viewSecretValue }: Place & { viewSecretValue: boolean },
) {
  checkRight(visit, "describeSecret", { on: "secrets", path });
  // The older server knows one right for both.
  if (viewSecretValue && !visit.generation.checksRightsFirst)
    checkRight(visit, "readValue", { on: "secrets", path });
}

function checkLate(visit: Visit, action: RightAction, { secretPath: path }: Place): void {
  if (!visit.generation.checksRightsFirst) checkRight(visit, action, { on: "secrets", path });
}

function projectOf({ workspaceId, workspaceSlug }: Place): { id?: string; slug?: string } {
  return workspaceId === undefined ? { slug: workspaceSlug ?? "" } : { id: workspaceId };
}

const wantedFolder = ({ secretPath: path, environment = "" }: Place, found: unknown) => ({
  path,
  environment,
  hasEnvironment: found !== undefined,
});

/** Of twins the first. */
const findSecret = ({ folder }: Standing, name: string) =>
  folder.secrets.find((secret) => secret.name === name);

function checkSecretName({ generation }: Visit, name: string): void {
  if (!generation.checksNames || !/[:/]/.test(name)) return;
  const message = "Secret name cannot contain colon or forward slash.";
  throw generation.refusals.invalid([{ code: "custom", path: ["secretName"], message }]);
}
