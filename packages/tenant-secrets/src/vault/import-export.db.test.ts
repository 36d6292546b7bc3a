import { beforeAll, describe, expect, test } from "vitest";
import {
  type Caller,
  type InputOf,
  systemCaller,
  maxBatchSecrets,
  type VaultOperations,
} from "@repo/catalog";
import { type FileEntry, parseEnvFile, parseJsonFile } from "@repo/catalog/file-formats";
import { codeOf, createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

const canary = "fake_canary_0001";
let fixture: Fixture;
let subdomain: string;
let admin: Person;

beforeAll(async () => {
  fixture = await createFixture();
  subdomain = await fixture.company("database");
  admin = await fixture.person(subdomain, "admin");
});

type Input<N extends "planImport" | "import" | "export"> = InputOf<VaultOperations[N]>;
type Entries = Input<"import">["entries"];

/** The file operations for any company and caller. */
const files = () => {
  const { vault } = fixture.secrets;
  return {
    plan: async (caller: Caller, company: string, entries: Entries) =>
      vault.planImport(await fixture.scope(company, caller), { entries }),
    import: async (caller: Caller, company: string, input: Input<"import">) =>
      (await vault.import(await fixture.scope(company, caller), input)).written,
    export: async (caller: Caller, company: string, input: Input<"export">) =>
      vault.export(await fixture.scope(company, caller), input),
  };
};
const acme = () => fixture.secrets.company(subdomain, product);
const entriesOf = (values: Readonly<Record<string, string>>): FileEntry[] =>
  Object.entries(values).map(([secretKey, text], i) => ({ secretKey, text, line: i + 1 }));
/** `change secretKey@version`, or the error code of a refused entry. */
async function planned(entries: readonly FileEntry[], caller = product): Promise<string[]> {
  return (await files().plan(caller, subdomain, entries)).map((entry) =>
    entry.change === "refused"
      ? `${entry.line} ${entry.secretKey ?? "?"} ${entry.reason}`
      : `${entry.change} ${entry.secretKey}@${entry.version}`,
  );
}
/** The events of an action since a call began, in order. */
async function eventsOf(action: string, since: Date): Promise<string[]> {
  await fixture.secrets.flush();
  const rows = await fixture.superuser`select outcome, secret_key as key, version, reason from audit_events
    where action = ${action} and occurred_at >= ${since} order by sequence_no, id`;
  return rows.map((row) => [row["outcome"], row["key"], row["version"], row["reason"]].map(String).join(" "));
}
const versionsOf = async () =>
  Object.fromEntries((await acme().list()).secrets.map(({ secretKey, version }) => [secretKey, version]));

describe("planning an import", () => {
  test("a plan lists what an import would add, change, skip and refuse, writes nothing and is audited", async () => {
    await acme().set("CUSTOM_SAME", "same");
    await acme().set("CUSTOM_OTHER", "before");
    await acme().set("CUSTOM_OTHER", "now");
    const before = await versionsOf();
    const since = new Date();
    const narrow = systemCaller("narrow", { verbs: ["write"], secretKeys: ["CUSTOM_*", "STRIPE_*"] });
    const entries = [
      ...entriesOf({ CUSTOM_NEW: "new", CUSTOM_SAME: "same", CUSTOM_OTHER: "before" }),
      { secretKey: "STRIPE_SECRET_KEY", text: canary, line: 4 },
      { secretKey: canary, text: "a value in the wrong place", line: 5 },
      { secretKey: "SENDGRID_API_KEY", text: "SG.fakefake.codewiser0001", line: 6 },
      { secretKey: "CUSTOM_NEW", text: "twice", line: 7 },
    ];
    expect(await planned(entries, narrow)).toEqual([
      "added CUSTOM_NEW@0",
      "7 CUSTOM_NEW INVALID_INPUT",
      "changed CUSTOM_OTHER@2",
      "unchanged CUSTOM_SAME@1",
      "6 SENDGRID_API_KEY NOT_FOUND",
      "4 STRIPE_SECRET_KEY INVALID_VALUE",
      "5 ? UNKNOWN_SECRET_KEY",
    ]);
    expect(await versionsOf()).toEqual(before);
    expect(await eventsOf("secret.compare", since)).toEqual([
      "success CUSTOM_NEW 0 null",
      "failed CUSTOM_NEW null INVALID_INPUT",
      "success CUSTOM_OTHER 2 null",
      "success CUSTOM_SAME 1 null",
      "denied SENDGRID_API_KEY null NOT_FOUND",
      "failed STRIPE_SECRET_KEY null INVALID_VALUE",
      "failed null null UNKNOWN_SECRET_KEY",
    ]);
  });

  test("a plan and an import accept 100 secrets and refuse 101 with an explanation", async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ secretKey: `CUSTOM_M${i}`, text: "m", line: i + 1 }));
    expect(await planned(many(maxBatchSecrets))).toHaveLength(maxBatchSecrets);
    await expect(planned(many(10_000))).rejects.toThrow(
      "it has 10000 secrets, and an import takes at most 100",
    );
    expect(await codeOf(files().import(product, subdomain, { entries: many(101), expected: [] }))).toBe(
      "INVALID_INPUT",
    );
  });

  test("a plan and an import are refused in advance if the store cannot write a batch", async () => {
    const inInfisical = await fixture.company("infisical");
    const entries = entriesOf({ CUSTOM_A: "a" });
    expect(await codeOf(files().plan(product, inInfisical, entries))).toBe("NOT_SUPPORTED");
    expect(await codeOf(files().import(product, inInfisical, { entries, expected: [] }))).toBe(
      "NOT_SUPPORTED",
    );
  });

  test("a plan includes secrets that exist only in Infisical, and an import then writes them to the database", async () => {
    const hybrid = await fixture.company("hybrid");
    await fixture.infisical.putSecret(`/tenants/${hybrid}`, "CUSTOM_OUTSIDE", "outside");
    const [same] = await files().plan(product, hybrid, entriesOf({ CUSTOM_OUTSIDE: "outside" }));
    const [other] = await files().plan(product, hybrid, entriesOf({ CUSTOM_OUTSIDE: "other" }));
    expect([same?.change, other]).toEqual([
      "unchanged",
      { change: "changed", secretKey: "CUSTOM_OUTSIDE", version: 1, line: 1 },
    ]);
    const expected = [{ secretKey: "CUSTOM_OUTSIDE", version: 1 }];
    await files().import(product, hybrid, { entries: entriesOf({ CUSTOM_OUTSIDE: "other" }), expected });
    expect(await fixture.secrets.company(hybrid, product).get("CUSTOM_OUTSIDE")).toBe("other");
  });
});

describe("importing", () => {
  test("an import writes exactly what was planned, and a retry applies it once", async () => {
    await acme().set("CUSTOM_LEFT", "left");
    const entries = entriesOf({ CUSTOM_LEFT: "not planned", CUSTOM_I1: "one", CUSTOM_I2: "two" });
    const expected = [
      { secretKey: "CUSTOM_I1", version: 0 },
      { secretKey: "CUSTOM_I2", version: 0 },
    ];
    const options = { expected, requestId: "import-1", note: "from the old place" };
    const written = await files().import(product, subdomain, { entries, ...options });
    expect(written).toEqual([
      { secretKey: "CUSTOM_I1", version: 1 },
      { secretKey: "CUSTOM_I2", version: 1 },
    ]);
    expect(await files().import(product, subdomain, { entries, ...options })).toEqual(written);
    expect(await versionsOf()).toMatchObject({ CUSTOM_LEFT: 1, CUSTOM_I1: 1, CUSTOM_I2: 1 });
  });

  test("an import writes nothing if one of its secrets changed since the plan", async () => {
    const entries = entriesOf({ CUSTOM_C1: "file", CUSTOM_C2: "file" });
    const expected = entries.map(({ secretKey }) => ({ secretKey, version: 0 }));
    await acme().set("CUSTOM_C2", "somebody else's");
    await expect(files().import(product, subdomain, { entries, expected })).rejects.toMatchObject({
      code: "CONFLICT",
      failures: [{ secretKey: "CUSTOM_C2", currentVersion: 1 }],
    });
    expect(await acme().find("CUSTOM_C1")).toBeUndefined();
  });

  test("an import writes nothing while an entry is refused, names no value, and skips refused entries on request", async () => {
    const entries = [
      ...entriesOf({ CUSTOM_GOOD: "good", STRIPE_SECRET_KEY: canary }),
      { secretKey: canary, text: "x", line: 3 },
    ];
    const expected = [{ secretKey: "CUSTOM_GOOD", version: 0 }];
    const refused = files().import(product, subdomain, { entries, expected });
    await expect(refused).rejects.toThrow(/^Nothing was written: 2 of .* the first at line 2: .*Stripe/);
    await expect(refused).rejects.not.toThrow(canary);
    expect(await acme().find("CUSTOM_GOOD")).toBeUndefined();
    const stripeToo = [...expected, { secretKey: "STRIPE_SECRET_KEY", version: 0 }];
    const skipRefused = true;
    const options = { expected: stripeToo, skipRefused };
    expect(await codeOf(files().import(product, subdomain, { entries, ...options }))).toBe("INVALID_INPUT");
    await files().import(product, subdomain, { entries, expected, skipRefused });
    expect(await acme().get("CUSTOM_GOOD")).toBe("good");
  });

  test("an import restores a removed secret as a new version only if the plan says so", async () => {
    await acme().set("CUSTOM_GONE", "gone");
    await acme().remove("CUSTOM_GONE");
    const entries = entriesOf({ CUSTOM_GONE: "gone" });
    expect(await planned(entries)).toEqual(["added CUSTOM_GONE@0"]);
    await files().import(product, subdomain, {
      entries,
      expected: [{ secretKey: "CUSTOM_GONE", version: 0 }],
    });
    expect(await versionsOf()).toMatchObject({ CUSTOM_GONE: 2 });
  });

  test("a plan and an import for a foreign company are answered as if it did not exist", async () => {
    const other = await fixture.company("database");
    const entries = entriesOf({ CUSTOM_A: "a" });
    for (const name of [other, "nobody-here"]) {
      expect(await codeOf(files().plan(admin, name, entries))).toBe("NOT_FOUND");
      expect(await codeOf(files().import(admin, name, { entries, expected: [] }))).toBe("NOT_FOUND");
      expect(await codeOf(files().export(admin, name, { format: "env", purpose: "incident" }))).toBe(
        "NOT_FOUND",
      );
    }
  });
});

describe("exporting", () => {
  const hostile: Readonly<Record<string, string>> = {
    CUSTOM_QUOTES: `'"\`\\"'\\`,
    CUSTOM_LINES: "\r\n-----BEGIN-----\r\na#b\n$HOME ${X} $(x)\r",
    CUSTOM_BLANKS: " \t\u00a0 # not a comment ",
    CUSTOM_JSON: '{"a":"\\u0000","__proto__":1}',
    CUSTOM_EQUALS: "=A=B",
    CUSTOM_UNICODE: "\ufeffzo\u0308e 👩‍💻 \u2028\u2029\u202e",
    CUSTOM_BACKSLASH: "a\\nb\\",
    OAUTH_GOOGLE: '{"clientId":"fake id","clientSecret":"fake \\"secret\\" \\n#$"}',
  };

  test.for(["env", "json"] as const)("as %s is read back by an import, byte for byte", async (format) => {
    const from = await fixture.company("database");
    const to = await fixture.company("database");
    const parse = format === "env" ? parseEnvFile : parseJsonFile;
    const put = async (company: string, entries: readonly FileEntry[]) => {
      const expected = entries.map(({ secretKey }) => ({ secretKey, version: 0 }));
      await files().import(product, company, { entries, expected });
    };
    await put(from, entriesOf(hostile));
    const { file, secretKeys, leftOut } = await files().export(await fixture.person(from, "owner"), from, {
      format,
      purpose: "hand-over",
    });
    expect([secretKeys, leftOut]).toEqual([Object.keys(hostile).toSorted(), []]);
    await put(to, parse(file));
    for (const [secretKey, text] of Object.entries(hostile)) {
      expect(
        (await fixture.secrets.vault.read(await fixture.scope(to), { secretKey })).value,
        secretKey,
      ).toBe(text);
    }
    const plan = await files().plan(product, from, parse(file));
    expect(new Set(plan.map(({ change }) => change))).toEqual(new Set(["unchanged"]));
  });

  test("an export omits secrets that may not be revealed, says so, and audits each secret separately", async () => {
    const company = await fixture.company("hybrid");
    const theirs = fixture.secrets.company(company, product);
    await theirs.set("CUSTOM_A", "a");
    await theirs.set("STRIPE_WEBHOOK_SECRET", "whsec_fakefakefake0001fake");
    await fixture.infisical.putSecret(`/tenants/${company}`, "OLD_THING", canary);
    await fixture.infisical.putSecret(`/tenants/${company}`, "CUSTOM_OUT", "out");
    const since = new Date();
    const owner = await fixture.person(company, "owner");
    const { file, leftOut } = await files().export(owner, company, { format: "env", purpose: "incident" });
    expect(file).toBe("CUSTOM_A=a\nCUSTOM_OUT=out\n");
    expect(leftOut).toEqual([
      { secretKey: "OLD_THING", reason: "not-in-catalogue" },
      { secretKey: "STRIPE_WEBHOOK_SECRET", reason: "write-only" },
    ]);
    expect(await eventsOf("secret.export", since)).toEqual([
      "success CUSTOM_A 1 incident",
      "success CUSTOM_OUT 1 incident",
    ]);
  });

  test("an export is for owners, admins and API keys with the verb, limited to the secrets that they cover", async () => {
    const since = new Date();
    const [member, auditor] = [
      await fixture.person(subdomain, "member"),
      await fixture.person(subdomain, "auditor"),
    ];
    for (const caller of [member, auditor, operator, product]) {
      expect(await codeOf(files().export(caller, subdomain, { format: "env", purpose: "incident" }))).toBe(
        "FORBIDDEN",
      );
    }
    expect(new Set(await eventsOf("secret.export", since))).toEqual(new Set(["denied null null FORBIDDEN"]));
    const key = (verbs: readonly ("use" | "export")[]) =>
      fixture.secrets.apiKeys.create(operator, {
        name: "files",
        companies: [subdomain],
        platform: false,
        verbs,
        secretKeys: ["CUSTOM_SA*"],
        expiresAt: new Date(Date.now() + 3_600_000),
      });
    const callerOf = async (verb: "use" | "export") =>
      fixture.secrets.authenticate({ credential: (await key([verb])).apiKey });
    const refused = files().export(await callerOf("use"), subdomain, { format: "env", purpose: "incident" });
    expect(await codeOf(refused)).toBe("FORBIDDEN");
    const exported = await files().export(await callerOf("export"), subdomain, {
      format: "env",
      purpose: "set-up",
    });
    expect(exported).toEqual({ file: "CUSTOM_SAME=same\n", secretKeys: ["CUSTOM_SAME"], leftOut: [] });
  });

  test("an export without secrets is audited too", async () => {
    const company = await fixture.company("database");
    const since = new Date();
    const owner = await fixture.person(company, "owner");
    expect((await files().export(owner, company, { format: "json", purpose: "incident" })).file).toBe("{}\n");
    expect(await eventsOf("secret.export", since)).toEqual(["success null null incident"]);
  });
});
