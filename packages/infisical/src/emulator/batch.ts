import { z } from "zod";
import type { Visit } from "./place.ts";
import { badRequest, notFound } from "./refusal.ts";
import {
  createSecretBody,
  deleteSecretBody,
  enter,
  enterToCreate,
  enterToDelete,
  insertSecret,
  removeSecret,
  updateSecret,
  updateSecretBody,
} from "./secrets.ts";
import type { StoredFolder } from "./state.ts";

const place = deleteSecretBody.shape;
const named = { secretKey: z.string().trim().min(1) };
export const createBatchBody = z.object({
  ...place,
  secrets: z.array(createSecretBody.pick({ secretValue: true, secretComment: true }).extend(named)).min(1),
});
export const updateBatchBody = z.object({
  ...place,
  mode: z.enum(["failOnNotFound", "upsert", "ignore"]).default("failOnNotFound"),
  secrets: z.array(updateSecretBody.pick({ secretValue: true, secretComment: true }).extend(named)).min(1),
});
export const deleteBatchBody = z.object({ ...place, secrets: z.array(z.object(named)).min(1) });

export function createBatch(visit: Visit, body: z.output<typeof createBatchBody>) {
  const { folder } = enter(visit, body, "createMany");
  const taken = body.secrets.filter(({ secretKey }) => has(folder, secretKey));
  if (taken.length > 0) throw badRequest(`Secret already exists: ${namesOf(taken)}`);
  return allOrNothing(folder, () =>
    body.secrets.map((item) => create(visit, item.secretKey, { ...body, ...item })),
  );
}

export function updateBatch(visit: Visit, body: z.output<typeof updateBatchBody>) {
  const { folder } = enter(visit, body, "updateMany");
  const missing = body.secrets.filter(({ secretKey }) => !has(folder, secretKey));
  if (missing.length > 0 && body.mode === "failOnNotFound") {
    throw notFound(
      `Secret does not exist: ${namesOf(missing)} in path ${body.secretPath}`,
      "UpdateManySecret",
    );
  }
  const wanted =
    body.mode === "ignore" ? body.secrets.filter((item) => !missing.includes(item)) : body.secrets;
  return allOrNothing(folder, () =>
    wanted.map((item) => {
      if (has(folder, item.secretKey))
        return updateSecret(visit, item.secretKey, { ...body, ...item }).secret;
      const created = create(visit, item.secretKey, {
        ...body,
        ...item,
        secretValue: item.secretValue ?? "",
      });
      return { ...created, secretValueHidden: false };
    }),
  );
}

export function deleteBatch(visit: Visit, body: z.output<typeof deleteBatchBody>) {
  const { folder } = enter(visit, body, "deleteMany");
  return allOrNothing(folder, () =>
    body.secrets.map(({ secretKey }) => {
      const standing = enterToDelete(visit, secretKey, body);
      return removeSecret(visit, standing, { ...body, name: secretKey }).secret;
    }),
  );
}

function create(visit: Visit, name: string, body: z.output<typeof createSecretBody>) {
  return insertSecret(visit, enterToCreate(visit, name, body), { ...body, name }).secret;
}

function allOrNothing<Secret>(folder: StoredFolder, change: () => Secret[]): { secrets: Secret[] } {
  const before = structuredClone(folder.secrets);
  try {
    return { secrets: change() };
  } catch (error) {
    folder.secrets = before;
    throw error;
  }
}

const has = (folder: StoredFolder, secretKey: string) =>
  folder.secrets.some(({ name }) => name === secretKey);
const namesOf = (items: readonly { secretKey: string }[]) =>
  items.map(({ secretKey }) => secretKey).join(",");
