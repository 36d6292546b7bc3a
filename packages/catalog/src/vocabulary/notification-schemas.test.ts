import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";
import { notificationSchema, notificationTypes } from "./notifications.ts";

const folder = new URL("../../../../docs/webhooks/", import.meta.url);

test.for(notificationTypes)("docs/webhooks has the JSON Schema of %s", async (type) => {
  const schema = z.toJSONSchema(notificationSchema(type), {
    io: "input",
    // What a format says already, and what JSON itself bounds.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
      if (jsonSchema.type !== "integer") return;
      delete jsonSchema.minimum;
      delete jsonSchema.maximum;
    },
  });
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
    new URL(`${type}.json`, folder).pathname,
  );
});

test("docs/webhooks has a schema of each type, and of no other", async () => {
  expect((await readdir(folder)).toSorted()).toEqual(
    notificationTypes.map((type) => `${type}.json`).toSorted(),
  );
});
