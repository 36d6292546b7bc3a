import { expect } from "vitest";
import { expectAble, expectCode, type StorePromise } from "./store-promise.ts";

/** The promises of every store, whatever its capabilities. */
export const promisesOfEveryStore: readonly StorePromise[] = [
  {
    title: "returns every value as it was written, byte for byte",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      const values = ["x", "päss wörd 🔑 \u202e", "line one\nline two", "$HOME {}", "é".repeat(32_768)];
      for (const value of values) {
        await secrets.set("CUSTOM_KEY", value);
        expect(await secrets.get("CUSTOM_KEY")).toBe(value);
      }
      expect(await secrets.getMany(["CUSTOM_NONE", "CUSTOM_KEY"])).toEqual({ CUSTOM_KEY: values.at(-1) });
    },
  },
  {
    title: "raises the version of a secret by one with every write",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      const versions = [];
      for (const value of ["one", "two", "two"]) {
        versions.push((await secrets.set("CUSTOM_KEY", value)).version);
      }
      expect(versions).toEqual([1, 2, 3]);
      expect((await secrets.list()).secrets).toMatchObject([{ secretKey: "CUSTOM_KEY", version: 3 }]);
    },
  },
  {
    title: "numbers 20 writes at once without a gap, and ends with the value of one of them",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      const writes = Array.from({ length: 20 }, (_, i) => secrets.set("CUSTOM_KEY", `value-${i}`));
      const versions = (await Promise.all(writes)).map(({ version }) => version);
      expect(versions.toSorted((a, b) => a - b)).toEqual(writes.map((_, i) => i + 1));
      expect(await secrets.get("CUSTOM_KEY")).toMatch(/^value-\d+$/);
      expect((await secrets.list()).secrets).toHaveLength(1);
    },
  },
  {
    title: "finds nothing where nothing was written",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      expect(await secrets.find("CUSTOM_KEY")).toBeUndefined();
      await expectCode(secrets.get("CUSTOM_KEY"), "NOT_FOUND");
      await expectCode(secrets.remove("CUSTOM_KEY"), "NOT_FOUND");
      expect((await secrets.list()).secrets).toEqual([]);
    },
  },
  {
    title: "never brings a removed secret back, and takes a new value of it",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await secrets.set("CUSTOM_KEY", "one");
      await secrets.remove("CUSTOM_KEY");
      await secrets.set("CUSTOM_OTHER", "other");
      expect(await secrets.find("CUSTOM_KEY")).toBeUndefined();
      expect((await secrets.list()).secrets).toMatchObject([{ secretKey: "CUSTOM_OTHER" }]);
      await expectCode(secrets.remove("CUSTOM_KEY"), "NOT_FOUND");
      await secrets.set("CUSTOM_KEY", "two");
      expect(await secrets.get("CUSTOM_KEY")).toBe("two");
    },
  },
  {
    title: "keeps the secrets of two companies apart",
    verify: async ({ newCompany }) => {
      const [acme, other] = [await newCompany(), await newCompany()];
      await acme.secrets.set("CUSTOM_KEY", "acme's");
      expect(await other.secrets.find("CUSTOM_KEY")).toBeUndefined();
      expect((await other.secrets.list()).secrets).toEqual([]);
      expect(await other.secrets.set("CUSTOM_KEY", "other's")).toEqual({ version: 1 });
      await other.secrets.remove("CUSTOM_KEY");
      expect(await acme.secrets.get("CUSTOM_KEY")).toBe("acme's");
      expect(await other.secrets.find("CUSTOM_KEY")).toBeUndefined();
    },
  },
  {
    title: "lists names, versions and dates by secret key, and no value",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      for (const secretKey of ["CUSTOM_C", "CUSTOM_A", "CUSTOM_B"] as const) {
        await secrets.set(secretKey, `fake-value-of-${secretKey}`);
      }
      const list = await secrets.list();
      expect(list.secrets.map(({ secretKey, version }) => [secretKey, version])).toEqual([
        ["CUSTOM_A", 1],
        ["CUSTOM_B", 1],
        ["CUSTOM_C", 1],
      ]);
      expect(list.secrets.every(({ createdAt, updatedAt }) => createdAt <= updatedAt)).toBe(true);
      expect(list.capabilities).toEqual(await secrets.capabilities());
      expect(JSON.stringify(list)).not.toMatch(/fake/);
    },
  },
  {
    title: "audits a change once, and one that did not happen as no success",
    verify: async ({ newCompany }) => {
      const { secrets, changes } = await newCompany();
      await secrets.set("CUSTOM_KEY", "one");
      await secrets.set("CUSTOM_KEY", "two");
      await secrets.remove("CUSTOM_KEY");
      await expectCode(secrets.remove("CUSTOM_KEY"), "NOT_FOUND");
      const audited = (await changes()).filter((change) => !change.includes(" attempted "));
      expect(audited.map((change) => change.replace(/ \S+$/, ""))).toEqual([
        "secret.write success CUSTOM_KEY",
        "secret.write success CUSTOM_KEY",
        "secret.remove success CUSTOM_KEY",
        "secret.remove failed CUSTOM_KEY",
      ]);
      expect(audited.slice(0, 2).map((change) => change.split(" ").at(-1))).toEqual(["1", "2"]);
    },
  },
  {
    title: "does what its capabilities say, and refuses the rest before anything is written",
    verify: async ({ newCompany, capabilities: can }) => {
      const { secrets } = await newCompany();
      const refused = "NOT_SUPPORTED";
      const set = (name: string, value: string, options = {}) =>
        secrets.set(`CUSTOM_${name}`, value, options);
      await expectAble(set("A", "one", { expectedVersion: 0 }), can.conditionalWrites, refused);
      await expectAble(set("B", "one", { requestId: "r-1" }), can.requestIds, refused);
      await expectAble(set("C", " spaced\n\n"), can.surroundingWhiteSpace, "INVALID_VALUE");
      await expectAble(set("D", "one", { note: "why" }), can.notes, refused);
      await expectAble(set("E", "one", { graceSeconds: 60 }), can.stages, refused);
      await expectAble(set("F", "one", { expiresAt: new Date(Date.now() + 3_600_000) }), can.expiry, refused);
      await expectAble(secrets.setMany({ CUSTOM_G: "one" }), can.bulk, refused);
      const expected = Object.entries({
        CUSTOM_A: can.conditionalWrites,
        CUSTOM_B: can.requestIds,
        CUSTOM_C: can.surroundingWhiteSpace,
        CUSTOM_D: can.notes,
        CUSTOM_E: can.stages,
        CUSTOM_F: can.expiry,
        CUSTOM_G: can.bulk,
      }).flatMap(([secretKey, isWritten]) => (isWritten ? [secretKey] : []));
      expect((await secrets.list()).secrets.map(({ secretKey }) => secretKey)).toEqual(expected);
      if (can.surroundingWhiteSpace) expect(await secrets.get("CUSTOM_C")).toBe(" spaced\n\n");
      await set("KEY", "one");
      await expectAble(secrets.history("CUSTOM_KEY"), can.history, refused);
      await expectAble(secrets.stage("CUSTOM_KEY", "two"), can.stages, refused);
      await expectAble(secrets.setExpiry("CUSTOM_KEY", { expiresAt: null }), can.expiry, refused);
      expect((await secrets.remove("CUSTOM_KEY")).recoverUntil !== undefined).toBe(can.recovery);
      await expectAble(secrets.restore("CUSTOM_KEY"), can.recovery, refused);
      expect(await secrets.find("CUSTOM_KEY")).toBe(can.recovery ? "one" : undefined);
    },
  },
];
