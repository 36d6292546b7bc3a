import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  checkFolderPath,
  enterProject,
  findEnvironment,
  findFolder,
  walkFolders,
  withoutTrailingSlash,
} from "./place.ts";
import { checkReferences, expandReferences } from "./references.ts";
import { badRequest, notFound, Refusal } from "./refusal.ts";
import type { State, StoredFolder, StoredIdentity, StoredProject, StoredSecret } from "./state.ts";

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
};
// The server trims, for the sake of pasted values, but keeps one newline at the end, for the sake of PEM files.
const secretValue = z.string().transform((text) => text.trim() + (text.endsWith("\n") ? "\n" : ""));

export const listSecretsQuery = z.object({
  ...place,
  ...view,
  recursive: flag.default(false),
  include_imports: flag.default(false),
});
export const getSecretQuery = z.object({ ...place, ...view, version: z.coerce.number().int().optional() });
export const createSecretBody = z.object({ ...place, ...fields, secretValue });
export const updateSecretBody = z.object({
  ...place,
  ...fields,
  secretValue: secretValue.optional(),
  newSecretName: z.string().trim().min(1).optional(),
});
export const deleteSecretBody = z.object({ ...place, type: fields.type });

type Place = z.output<z.ZodObject<typeof place>>;
type View = z.output<z.ZodObject<typeof view>> & { isHidden: boolean };

const hiddenValue = "<hidden-by-infisical>";

export function listSecrets(
  state: State,
  identity: StoredIdentity,
  query: z.output<typeof listSecretsQuery>,
  isHidden: boolean,
) {
  if ((query.workspaceId ?? query.workspaceSlug) === undefined || query.environment === undefined) {
    throw badRequest("Missing project id or environment");
  }
  const project = enterProject(state, identity, projectOf(query));
  if (!query.recursive) checkFolderPath(query.secretPath);
  const environment = findEnvironment(project, query.environment);
  const start = environment && findFolder(environment, query.secretPath);
  if (start === undefined) {
    throw notFound(
      `Folder with path '${query.secretPath}' in environment '${query.environment}' was not found. Please ensure the environment slug and secret path is correct.`,
      "SecretPathNotFound",
    );
  }
  const places = query.recursive
    ? walkFolders(start, query.secretPath)
    : [{ folder: start, path: query.secretPath }];
  const secrets = places.flatMap(({ folder, path }) =>
    folder.secrets.map((secret) =>
      readOnWire({ ...query, secretPath: path }, { project, folder }, secret, { ...query, isHidden }),
    ),
  );
  // By id, which is random: nobody can come to rely on an order.
  return { secrets: secrets.toSorted((a, b) => (a.id < b.id ? -1 : 1)), imports: [] };
}

export function getSecret(
  state: State,
  identity: StoredIdentity,
  name: string,
  query: z.output<typeof getSecretQuery>,
  isHidden: boolean,
) {
  const { project, folder } = enter(state, identity, query, "GetSecretByName");
  const current = folder.secrets.find((secret) => secret.name === name);
  const past = current?.history.find(({ version }) => version === (query.version ?? current.version));
  if (current === undefined || past === undefined) throw notFound(`Secret with name '${name}' not found`);
  return { secret: readOnWire(query, { project, folder }, { ...current, ...past }, { ...query, isHidden }) };
}

/** Does not create the folder. */
export function createSecret(
  state: State,
  identity: StoredIdentity,
  name: string,
  body: z.output<typeof createSecretBody>,
) {
  checkSecretName(name);
  const { project, folder } = enter(state, identity, body, "CreateSecret");
  if (body.type === "personal") throw badRequest("Must be user to create personal secret");
  if (folder.secrets.some((secret) => secret.name === name)) throw badRequest("Secret already exist");
  checkReferences(body.secretValue, { project, folder });
  const now = new Date().toISOString();
  const secret: StoredSecret = {
    id: randomUUID(),
    name,
    value: body.secretValue,
    comment: body.secretComment ?? "",
    metadata: body.secretMetadata ?? [],
    skipMultilineEncoding: body.skipMultilineEncoding ?? false,
    version: 1,
    createdAt: now,
    updatedAt: now,
    history: [{ version: 1, value: body.secretValue }],
  };
  folder.secrets.push(secret);
  return { secret: coreOnWire(body, project, secret) };
}

/** Every update raises the version. The answer echoes the request: what was not sent comes back empty. */
export function updateSecret(
  state: State,
  identity: StoredIdentity,
  name: string,
  body: z.output<typeof updateSecretBody>,
) {
  const { project, folder } = enter(state, identity, body, "UpdateSecret");
  const secret = folder.secrets.find((candidate) => candidate.name === name);
  if (secret === undefined) throw notFound(`Secret with name ${name} not found`);
  const newName = body.newSecretName ?? name;
  if (newName !== name) {
    checkSecretName(newName);
    if (folder.secrets.some((candidate) => candidate.name === newName)) {
      throw badRequest("Secret with the new name already exists");
    }
  }
  if (body.secretValue !== undefined) checkReferences(body.secretValue, { project, folder });
  secret.name = newName;
  secret.value = body.secretValue ?? secret.value;
  secret.comment = body.secretComment ?? secret.comment;
  secret.metadata = body.secretMetadata ?? secret.metadata;
  secret.skipMultilineEncoding = body.skipMultilineEncoding ?? secret.skipMultilineEncoding;
  secret.version += 1;
  secret.updatedAt = new Date().toISOString();
  secret.history.push({ version: secret.version, value: secret.value });
  const echoed = { ...secret, value: body.secretValue ?? "", comment: body.secretComment ?? "" };
  return { secret: { ...coreOnWire(body, project, echoed), secretValueHidden: false } };
}

export function deleteSecret(
  state: State,
  identity: StoredIdentity,
  name: string,
  body: z.output<typeof deleteSecretBody>,
) {
  const { project, folder } = enter(state, identity, body, "DeleteSecret");
  const index = folder.secrets.findIndex((candidate) => candidate.name === name);
  const secret = folder.secrets[index];
  if (secret === undefined) throw notFound("Secret not found");
  folder.secrets.splice(index, 1);
  return { secret: { ...coreOnWire(body, project, secret), secretValueHidden: false } };
}

function projectOf({ workspaceId, workspaceSlug }: Place): { id?: string; slug?: string } {
  return workspaceId === undefined ? { slug: workspaceSlug ?? "" } : { id: workspaceId };
}

export function enter(state: State, identity: StoredIdentity, wanted: Place, label: string) {
  if (wanted.environment === undefined) throw badRequest("Missing environment");
  if ((wanted.workspaceId ?? wanted.workspaceSlug) === undefined) {
    throw badRequest("You must provide workspaceSlug or workspaceId");
  }
  const project = enterProject(state, identity, projectOf(wanted));
  const environment = findEnvironment(project, wanted.environment);
  const folder = environment && findFolder(environment, wanted.secretPath);
  if (folder !== undefined) return { project, folder };
  throw notFound(
    `Folder with path '${wanted.secretPath}' in environment with slug '${wanted.environment}' not found`,
    label,
  );
}

function checkSecretName(name: string): void {
  if (!/[:/]/.test(name)) return;
  const message = "Secret name cannot contain colon or forward slash.";
  throw new Refusal(422, "ValidationFailure", [{ code: "custom", path: ["secretName"], message }]);
}

/** The fields that every answer about a secret has. */
function coreOnWire(wanted: Place, project: StoredProject, secret: StoredSecret) {
  return {
    id: secret.id,
    _id: secret.id,
    workspace: project.id,
    environment: wanted.environment,
    version: secret.version,
    type: "shared",
    secretKey: secret.name,
    secretValue: secret.value,
    secretComment: secret.comment,
    secretReminderNote: null,
    secretReminderRepeatDays: null,
    skipMultilineEncoding: secret.skipMultilineEncoding,
    createdAt: secret.createdAt,
    updatedAt: secret.updatedAt,
    isRotatedSecret: false,
    rotationId: null,
  };
}

function readOnWire(
  wanted: Place,
  standing: { project: StoredProject; folder: StoredFolder },
  secret: StoredSecret,
  { viewSecretValue, expandSecretReferences, isHidden }: View,
) {
  const isMasked = isHidden || !viewSecretValue;
  const value = expandSecretReferences ? expandReferences(secret.value, standing) : secret.value;
  return {
    ...coreOnWire(wanted, standing.project, { ...secret, value: isMasked ? hiddenValue : value }),
    secretValueHidden: isMasked,
    secretPath: wanted.secretPath,
    tags: [],
    secretMetadata: secret.metadata,
  };
}
