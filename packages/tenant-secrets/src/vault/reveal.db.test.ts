import { z } from "zod";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Caller, defineCatalog, RevealPurpose, type Role, textSecret } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Person } from "../testing/fixture.ts";
import { createCaller } from "../router/router.ts";
import { createCallerContext, createContext } from "../router/trpc.ts";
import { assembleTenantSecrets } from "../assemble.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const { vault } = secrets;
const reveal = async (
  caller: Caller,
  company: string,
  { secretKey, purpose }: { readonly secretKey: string; readonly purpose: RevealPurpose },
) => vault.reveal(await fixture.scope(company, caller), { secretKey, purpose });
const people = new Map<Role, Person>();
let mine = "";
let theirs = "";

const person = (role: Role): Person => {
  const found = people.get(role);
  if (found === undefined) throw new Error(`there is no ${role}`);
  return found;
};

beforeAll(async () => {
  [mine, theirs] = [await fixture.company("database"), await fixture.company("infisical")];
  for (const role of ["owner", "admin", "member", "auditor"] as const) {
    people.set(role, await fixture.person(mine, role));
  }
  await secrets.company(mine, product).set("CUSTOM_A", "fake_revealed_0001");
  await secrets.company(theirs, product).set("CUSTOM_A", "fake_revealed_0002");
});

async function lastEvent() {
  const [event] = await superuser`
    select actor_id, action, outcome, reason, secret_key, version from audit_events order by position desc limit 1`;
  return event;
}

test("owners and admins can reveal a value, and its purpose is audited before the value is returned", async () => {
  for (const [index, purpose] of RevealPurpose.options.entries()) {
    const caller = person(index % 2 === 0 ? "owner" : "admin");
    expect(await reveal(caller, mine, { secretKey: "CUSTOM_A", purpose })).toEqual({
      value: "fake_revealed_0001",
      version: 1,
    });
    expect(await lastEvent()).toMatchObject({
      actor_id: caller.actor.id,
      action: "secret.reveal",
      outcome: "success",
      reason: purpose,
      secret_key: "CUSTOM_A",
      version: 1,
    });
  }
});

test("other roles, programs, operators and members of other companies cannot reveal", async () => {
  for (const caller of [person("member"), person("auditor"), product, operator]) {
    expect(await codeOf(reveal(caller, mine, { secretKey: "CUSTOM_A", purpose: "incident" }))).toBe(
      "FORBIDDEN",
    );
    expect(await lastEvent()).toMatchObject({ outcome: "denied", reason: "FORBIDDEN" });
  }
  expect(await codeOf(reveal(person("owner"), theirs, { secretKey: "CUSTOM_A", purpose: "incident" }))).toBe(
    "NOT_FOUND",
  );
  expect(await codeOf(reveal(person("owner"), mine, { secretKey: "CUSTOM_NONE", purpose: "incident" }))).toBe(
    "NOT_FOUND",
  );
  expect(await codeOf(reveal(person("owner"), mine, { secretKey: "NONSENSE", purpose: "incident" }))).toBe(
    "UNKNOWN_SECRET_KEY",
  );
});

test("a reveal that cannot be audited returns no value", async () => {
  await superuser`alter table audit_events rename to audit_events_away`;
  try {
    expect(await codeOf(reveal(person("owner"), mine, { secretKey: "CUSTOM_A", purpose: "debugging" }))).toBe(
      "AUDIT_UNAVAILABLE",
    );
  } finally {
    await superuser`alter table audit_events_away rename to audit_events`;
  }
});

test("a person cannot read over the API, whatever their role, while the product can read on their behalf", async () => {
  const input = { company: mine, secretKey: "CUSTOM_A" };
  for (const role of ["owner", "admin", "member", "auditor"] as const) {
    const caller = person(role);
    const remote = createCaller(createContext(secrets, { headers: caller.headers }));
    await expect(remote.secrets.read(input), role).rejects.toMatchObject({ code: "FORBIDDEN" });
    const read = createCaller(createCallerContext(secrets, caller)).secrets.read(input);
    if (role === "auditor") await expect(read).rejects.toMatchObject({ code: "FORBIDDEN" });
    else expect((await read).value).toBe("fake_revealed_0001");
  }
  const remote = createCaller(createContext(secrets, { headers: person("owner").headers }));
  expect(await remote.secrets.reveal({ ...input, purpose: "hand-over" })).toMatchObject({ version: 1 });
  for (const purpose of ["", "because", "HAND-OVER"]) {
    const revealed = remote.secrets.reveal({ ...input, purpose: purpose as RevealPurpose });
    await expect(revealed).rejects.toMatchObject({ code: "BAD_REQUEST" });
  }
});

test("a write-only value is revealed to no role, and remains usable by programs", async () => {
  const { application, maintenance } = fixture.urls;
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  afterAll(() => database.close());
  const description = { label: "Signing secret", rule: "is text", writeOnly: true };
  const own = assembleTenantSecrets({
    database,
    infisical: createInfisicalClient({ ...fixture.emulator, environment: "dev" }),
    catalog: defineCatalog({ SIGNING_SECRET: textSecret(z.string(), description) }),
  });
  await own.company(mine, person("admin")).set("SIGNING_SECRET", "fake_signing_0001");
  const scope = await fixture.scope(mine, person("owner"));
  await expect(
    own.vault.reveal(scope, { secretKey: "SIGNING_SECRET", purpose: "debugging" }),
  ).rejects.toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("write-only"),
  });
  expect(await lastEvent()).toMatchObject({ outcome: "denied", secret_key: "SIGNING_SECRET" });
  expect(await own.company(mine, product).get("SIGNING_SECRET")).toBe("fake_signing_0001");
});
