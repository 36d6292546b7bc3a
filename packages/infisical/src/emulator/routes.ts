import { z } from "zod";
import * as batch from "./batch.ts";
import {
  createFolder,
  createFolderBody,
  deleteFolder,
  deleteFolderBody,
  deleteFolderGentlyBody,
  getFolder,
  listFolders,
  listFoldersQuery,
} from "./folders.ts";
import type { Generation } from "./generation.ts";
import {
  createImport,
  createImportBody,
  deleteImport,
  deleteImportBody,
  listImports,
  listImportsQuery,
} from "./imports.ts";
import { loginBody } from "./login.ts";
import type { LogIn } from "./login.ts";
import type { Visit } from "./place.ts";
import { createEnvironment, createEnvironmentBody, createProject, createProjectBody } from "./projects.ts";
import * as secrets from "./secrets.ts";
import { createTag, createTagBody } from "./tags.ts";
import type { Tokens } from "./tokens.ts";
import { violationsOf } from "./violations.ts";
import type { Announce } from "./webhook.ts";

interface Call extends Visit {
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** The parameter in the path, decoded; empty where the route has none. */
  readonly parameter: string;
  /** Whether the value of a secret of this name is masked. */
  readonly isHidden: (name: string) => boolean;
}

export interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly isPublic?: boolean;
  readonly isUnlimited?: boolean;
  readonly handle: (call: Call) => unknown;
}

const tokenBody = z.object({ accessToken: z.string().trim() });

/** Reads input as a schema says, or refuses it as the server does. */
type Valid = <Schema extends z.ZodType>(schema: Schema, input: unknown) => z.output<Schema>;

interface RouteParts {
  readonly generation: Generation;
  readonly tokens: Tokens;
  readonly logIn: LogIn;
  readonly announce: Announce;
}

/** The routes that the SDK uses, and those that it lacks. */
export function createRoutes({ generation, tokens, logIn, announce }: RouteParts): readonly Route[] {
  const valid: Valid = (schema, input) => {
    const parsed = schema.safeParse(input, { reportInput: true });
    if (parsed.success) return parsed.data;
    throw generation.refusals.invalid(violationsOf(parsed.error));
  };
  const { updatesWithoutValue, hasNewerRoutes } = generation;
  const secretsAt = (path: string, batchPath: string) =>
    announced(announce, secretRoutes({ path, batchPath, updatesWithoutValue }, valid));
  const newer = [
    ...secretsAt("/api/v4/secrets", "/api/v4/secrets/batch"),
    ...folderRoutes("/api/v2/folders", valid, deleteFolderGentlyBody),
    ...importRoutes("/api/v2/secret-imports", valid),
    tagRoute("/api/v1/projects", valid),
  ];
  return [
    ...accountRoutes(tokens, logIn, valid),
    ...secretsAt("/api/v3/secrets/raw", "/api/v3/secrets/batch/raw"),
    ...folderRoutes("/api/v1/folders", valid, deleteFolderBody),
    ...importRoutes("/api/v1/secret-imports", valid),
    ...projectRoutes(valid),
    tagRoute("/api/v1/workspace", valid),
    ...(hasNewerRoutes ? newer.map(inNewerWords) : []),
  ];
}

function accountRoutes(tokens: Tokens, logIn: LogIn, valid: Valid): Route[] {
  return [
    {
      method: "GET",
      path: /^\/api\/status$/,
      isPublic: true,
      isUnlimited: true,
      handle: () => ({
        date: new Date().toISOString(),
        message: "Ok",
        emailConfigured: false,
        inviteOnlySignup: true,
        redisConfigured: true,
        secretScanningConfigured: false,
      }),
    },
    {
      method: "POST",
      path: /^\/api\/v1\/auth\/universal-auth\/login$/,
      isPublic: true,
      handle: ({ body }) => logIn(valid(loginBody, body)),
    },
    {
      method: "POST",
      path: /^\/api\/v1\/auth\/token\/renew$/,
      isPublic: true,
      handle: ({ body }) => tokens.renew(valid(tokenBody, body).accessToken),
    },
    {
      method: "POST",
      path: /^\/api\/v1\/auth\/token\/revoke$/,
      isPublic: true,
      handle: ({ body }) => {
        tokens.revoke(valid(tokenBody, body).accessToken);
        return { message: "Successfully revoked access token" };
      },
    },
  ];
}

function secretRoutes(
  {
    path,
    batchPath,
    updatesWithoutValue,
  }: { readonly path: string; readonly batchPath: string; readonly updatesWithoutValue: boolean },
  valid: Valid,
): Route[] {
  const one = new RegExp(`^${path}/([^/]+)$`);
  const many = new RegExp(`^${batchPath}$`);
  const updateBody = updatesWithoutValue
    ? secrets.updateSecretBody
    : secrets.updateSecretBody.extend({ secretValue: secrets.createSecretBody.shape.secretValue });
  return [
    {
      method: "POST",
      path: many,
      handle: (call) => batch.createBatch(call, valid(batch.createBatchBody, call.body)),
    },
    {
      method: "PATCH",
      path: many,
      handle: (call) => batch.updateBatch(call, valid(batch.updateBatchBody, call.body)),
    },
    {
      method: "DELETE",
      path: many,
      handle: (call) => batch.deleteBatch(call, valid(batch.deleteBatchBody, call.body)),
    },
    {
      method: "GET",
      path: new RegExp(`^${path}$`),
      handle: (call) =>
        secrets.listSecrets(call, {
          ...valid(secrets.listSecretsQuery, call.query),
          isHidden: call.isHidden,
        }),
    },
    {
      method: "GET",
      path: one,
      handle: (call) =>
        secrets.getSecret(call, call.parameter, {
          ...valid(secrets.getSecretQuery, call.query),
          isHidden: call.isHidden,
        }),
    },
    {
      method: "POST",
      path: one,
      handle: (call) =>
        secrets.createSecret(call, call.parameter, valid(secrets.createSecretBody, call.body)),
    },
    {
      method: "PATCH",
      path: one,
      handle: (call) => secrets.updateSecret(call, call.parameter, valid(updateBody, call.body)),
    },
    {
      method: "DELETE",
      path: one,
      handle: (call) =>
        secrets.deleteSecret(call, call.parameter, valid(secrets.deleteSecretBody, call.body)),
    },
  ];
}

function folderRoutes(
  path: string,
  valid: Valid,
  deleteBody: typeof deleteFolderBody | typeof deleteFolderGentlyBody,
): Route[] {
  const all = new RegExp(`^${path}$`);
  const one = new RegExp(`^${path}/([^/]+)$`);
  return [
    { method: "GET", path: all, handle: (call) => listFolders(call, valid(listFoldersQuery, call.query)) },
    { method: "POST", path: all, handle: (call) => createFolder(call, valid(createFolderBody, call.body)) },
    { method: "GET", path: one, handle: (call) => getFolder(call, call.parameter) },
    {
      method: "DELETE",
      path: one,
      handle: (call) => deleteFolder(call, call.parameter, valid(deleteBody, call.body)),
    },
  ];
}

function importRoutes(path: string, valid: Valid): Route[] {
  const all = new RegExp(`^${path}$`);
  return [
    { method: "GET", path: all, handle: (call) => listImports(call, valid(listImportsQuery, call.query)) },
    { method: "POST", path: all, handle: (call) => createImport(call, valid(createImportBody, call.body)) },
    {
      method: "DELETE",
      path: new RegExp(`^${path}/([^/]+)$`),
      handle: (call) => deleteImport(call, call.parameter, valid(deleteImportBody, call.body)),
    },
  ];
}

function projectRoutes(valid: Valid): Route[] {
  return [
    {
      method: "POST",
      path: /^\/api\/v1\/workspace\/([^/]+)\/environments$/,
      handle: (call) => createEnvironment(call, call.parameter, valid(createEnvironmentBody, call.body)),
    },
    {
      method: "POST",
      path: /^\/api\/v2\/workspace$/,
      handle: (call) => createProject(call, valid(createProjectBody, call.body)),
    },
  ];
}

function tagRoute(path: string, valid: Valid): Route {
  return {
    method: "POST",
    path: new RegExp(`^${path}/([^/]+)/tags$`),
    handle: (call) => createTag(call, call.parameter, valid(createTagBody, call.body)),
  };
}

/** Tells the webhook of every change that succeeds. */
function announced(announce: Announce, routes: readonly Route[]): Route[] {
  return routes.map((route) => {
    if (route.method === "GET") return route;
    const handle = async (call: Call) => {
      const result = await route.handle(call);
      announce(call, call.body);
      return result;
    };
    return { ...route, handle };
  });
}

/** The newer addresses name the project `projectId`. */
function inNewerWords(route: Route): Route {
  const renamed = ({ projectId, ...rest }: Readonly<Record<string, unknown>>) => ({
    ...rest,
    ...(projectId === undefined ? {} : { workspaceId: projectId }),
  });
  return {
    ...route,
    handle: (call) => {
      const { projectId, ...query } = call.query;
      return route.handle({
        ...call,
        query: projectId === undefined ? query : { ...query, workspaceId: projectId },
        body: isRecord(call.body) ? renamed(call.body) : call.body,
      });
    },
  };
}

const isRecord = (body: unknown): body is Record<string, unknown> =>
  typeof body === "object" && body !== null && !Array.isArray(body);
