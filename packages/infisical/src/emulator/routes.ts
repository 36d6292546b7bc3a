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
import { Refusal } from "./refusal.ts";
import * as secrets from "./secrets.ts";
import type { State, StoredIdentity } from "./state.ts";
import type { Tokens } from "./tokens.ts";

interface Call {
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** The parameter in the path, decoded; empty where the route has none. */
  readonly parameter: string;
  readonly identity: StoredIdentity;
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
export function createRoutes(state: State, tokens: Tokens, logIn: LogIn): readonly Route[] {
  const secret = /^\/api\/v3\/secrets\/raw\/([^/]+)$/;
  const secretBatch = /^\/api\/v3\/secrets\/batch\/raw$/;
  const folders = /^\/api\/v1\/folders$/;
  const folder = /^\/api\/v1\/folders\/([^/]+)$/;
  return [
    {
      method: "GET",
      path: /^\/api\/status$/,
      isPublic: true,
      handle: () => ({ date: new Date().toISOString(), message: "Ok" }),
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
      handle: ({ identity, query, isHidden }) =>
        secrets.listSecrets(state, identity, valid(secrets.listSecretsQuery, query), isHidden),
    },
    {
      method: "GET",
      path: secret,
      handle: ({ identity, parameter, query, isHidden }) =>
        secrets.getSecret(state, identity, parameter, valid(secrets.getSecretQuery, query), isHidden),
    },
    {
      method: "POST",
      path: secret,
      handle: ({ identity, parameter, body }) =>
        secrets.createSecret(state, identity, parameter, valid(secrets.createSecretBody, body)),
    },
    {
      method: "PATCH",
      path: secret,
      handle: ({ identity, parameter, body }) =>
        secrets.updateSecret(state, identity, parameter, valid(secrets.updateSecretBody, body)),
    },
    {
      method: "DELETE",
      path: secret,
      handle: ({ identity, parameter, body }) =>
        secrets.deleteSecret(state, identity, parameter, valid(secrets.deleteSecretBody, body)),
    },
    {
      method: "POST",
      path: secretBatch,
      handle: ({ identity, body }) => batch.createBatch(state, identity, valid(batch.createBatchBody, body)),
    },
    {
      method: "PATCH",
      path: secretBatch,
      handle: ({ identity, body }) => batch.updateBatch(state, identity, valid(batch.updateBatchBody, body)),
    },
    {
      method: "DELETE",
      path: secretBatch,
      handle: ({ identity, body }) => batch.deleteBatch(state, identity, valid(batch.deleteBatchBody, body)),
    },
    {
      method: "GET",
      path: folders,
      handle: ({ identity, query }) => listFolders(state, identity, valid(listFoldersQuery, query)),
    },
    {
      method: "POST",
      path: folders,
      handle: ({ identity, body }) => createFolder(state, identity, valid(createFolderBody, body)),
    },
    {
      method: "GET",
      path: folder,
      handle: ({ identity, parameter }) => getFolder(state, identity, parameter),
    },
    {
      method: "DELETE",
      path: folder,
      handle: ({ identity, parameter, body }) =>
        deleteFolder(state, identity, parameter, valid(deleteFolderBody, body)),
    },
    {
      method: "POST",
      path: /^\/api\/v1\/workspace\/([^/]+)\/environments$/,
      handle: ({ identity, parameter, body }) =>
        createEnvironment(state, identity, parameter, valid(createEnvironmentBody, body)),
    },
    {
      method: "POST",
      path: /^\/api\/v2\/workspace$/,
      handle: ({ identity, body }) => createProject(state, identity, valid(createProjectBody, body)),
    },
  ];
}

function valid<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new Refusal(422, "ValidationFailure", parsed.error.issues);
  return parsed.data;
}
