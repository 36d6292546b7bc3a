import { afterEach, describe, expect, test } from "vitest";
import { Plaintext } from "@repo/envelope";
import { type LocalCrm, startLocalCrm } from "@repo/providers/crm";
import { driverContract } from "../../../testing/driver-contract.ts";
import { type DriverWorld, httpWorld, openTrial } from "../../../testing/driver-trial.ts";
import { httpTemplate } from "./http-template.ts";
import { valueAt } from "./json-pointer.ts";

type Template = Parameters<typeof httpTemplate>[0];

const crmTemplate = (baseUrl: string): Template => ({
  name: "crm",
  baseUrl,
  auth: { as: "bearer" },
  manager: "optional",
  create: {
    path: "/keys",
    body: { name: "{{marker}}" },
    status: [201],
    value: "/key",
    ref: "/id",
  },
  find: { path: "/keys", items: "/keys", ref: "/id", marker: "/name" },
  test: { path: "/me", account: "/account" },
  retire: { path: "/keys/{{ref}}" },
  limit: [409],
});

interface Changes {
  readonly template?: Partial<Template>;
  readonly hasManager?: boolean;
}

function worldOf(crm: LocalCrm, { template = {}, hasManager = false }: Changes = {}): DriverWorld {
  const { id, value } = crm.addKey({ name: "of a person" });
  const { live, ...world } = httpWorld(crm);
  const manager = hasManager ? crm.addKey({ name: "manager" }) : undefined;
  return {
    ...world,
    live: async () => (await live()).filter((ref) => ref !== manager?.id),
    driver: httpTemplate({ ...crmTemplate(crm.url), ...template }),
    current: value,
    currentRef: id,
    ...(manager && { manager: manager.value }),
    unknown: "crm_fake_unknown",
    sayings: ["asked for", "Please wait", "API key", crm.url],
  };
}

driverContract("http template", async () => worldOf(await startLocalCrm()));
driverContract("http template with a manager, and keys in a header", async () =>
  worldOf(await startLocalCrm({ auth: "header", selfService: false }), {
    template: { auth: { as: "header", name: "X-Api-Key" }, manager: "required" },
    hasManager: true,
  }),
);
driverContract("http template without a list, and keys as the user of basic", async () =>
  worldOf(await startLocalCrm({ auth: "basic" }), { template: { auth: { as: "basic" }, find: undefined } }),
);

describe("a template", () => {
  let crm: LocalCrm;
  afterEach(() => crm.stop());

  test.for([{ fault: "emptyKey" }, { fault: "otherAccount" }, { fault: "html", method: "POST" }] as const)(
    "takes no answer with $fault",
    async (fault) => {
      crm = await startLocalCrm();
      const trial = openTrial(worldOf(crm));
      crm.faults.add(fault);
      await expect(trial.make()).rejects.toMatchObject({ code: "transient" });
    },
  );

  test("tells a limit, and whether two values are of the same account", async () => {
    crm = await startLocalCrm();
    const trial = openTrial(worldOf(crm));
    const told = await trial.make();
    const { current = told.value } = trial.call();
    const other = Plaintext.fromText(crm.addKey({ name: "x", account: "fake_other" }).value);
    const unknown = Plaintext.fromText(trial.world.unknown);
    expect(await trial.driver.sameAccount?.(trial.call(), told.value, current)).toBe(true);
    expect(await trial.driver.sameAccount?.(trial.call(), told.value, other)).toBe(false);
    expect(await trial.driver.sameAccount?.(trial.call(), told.value, unknown)).toBe("unknown");
    crm.faults.add({ fault: "limit", credentials: 1 });
    await expect(trial.make()).rejects.toMatchObject({ code: "limit" });
  });

  test("sends nothing to another path or host, whatever the ref and the marker are", async () => {
    crm = await startLocalCrm();
    const world = worldOf(crm, { template: { find: undefined } });
    const trial = openTrial(world);
    for (const ref of [
      "..",
      ".",
      "",
      "../me",
      "a/../../me",
      "//evil.example",
      "?x",
      "#",
      "%2e%2e",
      "{{marker}}",
    ]) {
      await trial.attempt(() => trial.driver.retire(trial.call(), { ref, marker: undefined }));
    }
    expect(crm.requests().filter(({ path }) => !/^\/keys\/[^/?#]+$/.test(path))).toEqual([]);
    await trial.make({ marker: 'ts-"}, "x": {"' });
    expect(JSON.parse(crm.requests().at(-3)?.body ?? "")).toEqual({ name: 'ts-"}, "x": {"' });
  });

  const refused: readonly (readonly [string, object])[] = [
    ["baseUrl", { baseUrl: "ftp://api.acme.example" }],
    ["baseUrl", { baseUrl: "https://user:password@api.acme.example" }],
    ["baseUrl", { baseUrl: "https://api.acme.example?x=1" }],
    ["create.path", { create: { path: "keys", value: "/key", ref: "/id", body: "{{marker}}" } }],
    ["create.path", { create: { path: "//evil.example/{{marker}}", value: "/key", ref: "/id" } }],
    ["create.path", { create: { path: "/a/../{{marker}}", value: "/key", ref: "/id" } }],
    ["create.path", { create: { path: "/%2E%2e/{{marker}}", value: "/key", ref: "/id" } }],
    ["create.path", { create: { path: "/{{ref}}/{{marker}}", value: "/key", ref: "/id" } }],
    ["create.value", { create: { path: "/{{marker}}", value: "key", ref: "/id" } }],
    [
      "create.body",
      { create: { path: "/keys", value: "/key", ref: "/id", body: { a: ["{{value}} {{marker}}"] } } },
    ],
    ["the whole", { create: { path: "/keys", value: "/key", ref: "/id", body: { name: "key" } } }],
    ["the whole", { retire: { path: "/keys" } }],
    ["retire.path", { retire: { path: "/keys/{{ ref }}" } }],
    ["auth.name", { auth: { as: "header", name: "x: y" } }],
    ["the whole", { script: "return 1" }],
    ["name", { name: "A b" }],
  ];
  test.for(refused)("is refused for its %s: %j", async ([field, template]) => {
    crm = await startLocalCrm();
    const given = { ...crmTemplate("https://api.acme.example"), ...template };
    expect(() => httpTemplate(given)).toThrow(new RegExp(`other form in: ${field}`));
  });
});

test("a JSON pointer finds what a document has, and none of what every object has", () => {
  const json = { data: [{ "a/b": 1, "m~n": 2, "": 3 }], key: null };
  expect(valueAt(json, "/data/0/a~1b")).toBe(1);
  expect(valueAt(json, "/data/0/m~0n")).toBe(2);
  expect(valueAt(json, "/data/0/")).toBe(3);
  expect(valueAt(json, "/key")).toBeNull();
  for (const pointer of [
    "/data/length",
    "/data/00",
    "/data/-",
    "/constructor",
    "/__proto__",
    "/key/x",
    "/data/1",
  ]) {
    expect(valueAt(json, pointer)).toBeUndefined();
  }
});
