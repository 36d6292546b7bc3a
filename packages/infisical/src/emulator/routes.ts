import { z } from "zod";
import * as batch from "./batch.ts";
import {
  createFolder,
  createFolderBody,
  deleteFolder,
  deleteFolderBody,
  getFolder,
  listFolders,
  listFoldersQuery,
} from "./folders.ts";
import { loginBody } from "./login.ts";
import type { LogIn } from "./login.ts";
import { createEnvironment, createEnvironmentBody, createProject, createProjectBody } from "./projects.ts";
import { issuesOnWire } from "./issues.ts";
import type { Generation } from "./generation.ts";
import type { Visit } from "./place.ts";
import * as secrets from "./secrets.ts";
import type { Tokens } from "./tokens.ts";

interface Call extends Visit {
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** The parameter in the path, decoded; empty where the route has none. */
  readonly parameter: string;
  readonly isHidden: boolean;
}

export interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly isPublic?: boolean;
  readonly handle: (call: Call) => unknown;
}

const tokenBody = z.object({ accessToken: z.string().trim() });

/** The routes that the SDK uses, and those that it lacks. */
export function createRoutes(generation: Generation, tokens: Tokens, logIn: LogIn): readonly Route[] {
  const valid = <Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> => {
    const parsed = schema.safeParse(input, { reportInput: true });
    if (parsed.success) return parsed.data;
    throw generation.refusals.invalid(issuesOnWire(parsed.error));
  };
  const updateBody = generation.updatesWithoutValue
    ? secrets.updateSecretBody
    : secrets.updateSecretBody.extend({ secretValue: secrets.createSecretBody.shape.secretValue });
  const secret = /^\/api\/v3\/secrets\/raw\/([^/]+)$/;
  const secretBatch = /^\/api\/v3\/secrets\/batch\/raw$/;
  const folders = /^\/api\/v1\/folders$/;
  const folder = /^\/api\/v1\/folders\/([^/]+)$/;
  return [
    {
      method: "GET",
      path: /^\/api\/status$/,
      isPublic: true,
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
    {
      method: "GET",
      path: /^\/api\/v3\/secrets\/raw$/,
      handle: (call) => secrets.listSecrets(call, valid(secrets.listSecretsQuery, call.query), call.isHidden),
    },
    {
      method: "GET",
      path: secret,
      handle: (call) =>
        secrets.getSecret(call, call.parameter, valid(secrets.getSecretQuery, call.query), call.isHidden),
    },
    {
      method: "POST",
      path: secret,
      handle: (call) =>
        secrets.createSecret(call, call.parameter, valid(secrets.createSecretBody, call.body)),
    },
    {
      method: "PATCH",
      path: secret,
      handle: (call) => secrets.updateSecret(call, call.parameter, valid(updateBody, call.body)),
    },
    {
      method: "DELETE",
      path: secret,
      handle: (call) =>
        secrets.deleteSecret(call, call.parameter, valid(secrets.deleteSecretBody, call.body)),
    },
    {
      method: "POST",
      path: secretBatch,
      handle: (call) => batch.createBatch(call, valid(batch.createBatchBody, call.body)),
    },
    {
      method: "PATCH",
      path: secretBatch,
      handle: (call) => batch.updateBatch(call, valid(batch.updateBatchBody, call.body)),
    },
    {
      method: "DELETE",
      path: secretBatch,
      handle: (call) => batch.deleteBatch(call, valid(batch.deleteBatchBody, call.body)),
    },
    {
      method: "GET",
      path: folders,
      handle: (call) => listFolders(call, valid(listFoldersQuery, call.query)),
    },
    {
      method: "POST",
      path: folders,
      handle: (call) => createFolder(call, valid(createFolderBody, call.body)),
    },
    {
      method: "GET",
      path: folder,
      handle: (call) => getFolder(call, call.parameter),
    },
    {
      method: "DELETE",
      path: folder,
      handle: (call) => deleteFolder(call, call.parameter, valid(deleteFolderBody, call.body)),
    },
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
