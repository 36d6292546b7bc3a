import { CredentialRejected } from "@repo/catalog";
import { expect } from "vitest";
import { expectCode, type StorePromise } from "./store-promise.ts";

/** The promises of a store for each of its capabilities. */
export const promisesOfGroups: readonly StorePromise[] = [
  {
    title: "makes one of two changes of the version that both have seen, and tells the other the current one",
    needs: "conditionalWrites",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await secrets.set("CUSTOM_KEY", "start");
      const both = await Promise.allSettled([
        secrets.set("CUSTOM_KEY", "left", { expectedVersion: 1 }),
        secrets.set("CUSTOM_KEY", "right", { expectedVersion: 1 }),
      ]);
      const refused = both.filter((result) => result.status === "rejected");
      expect(refused).toMatchObject([{ reason: { code: "CONFLICT", currentVersion: 2 } }]);
      await expectCode(secrets.remove("CUSTOM_KEY", { expectedVersion: 1 }), "CONFLICT");
      await secrets.remove("CUSTOM_KEY", { expectedVersion: 2 });
      await expectCode(secrets.set("CUSTOM_KEY", "again", { expectedVersion: 2 }), "CONFLICT");
      expect(await secrets.set("CUSTOM_KEY", "again", { expectedVersion: 0 })).toEqual({ version: 3 });
    },
  },
  {
    title: "makes a retried change once, and refuses its request id for another change",
    needs: "requestIds",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      const retry = () => secrets.set("CUSTOM_KEY", "once", { requestId: "deploy-17" });
      const results = await Promise.all(Array.from({ length: 10 }, retry));
      expect(results).toEqual(results.map(() => ({ version: 1 })));
      await secrets.set("CUSTOM_KEY", "later");
      expect(await retry()).toEqual({ version: 1 });
      expect(await secrets.get("CUSTOM_KEY")).toBe("later");
      await expectCode(secrets.set("CUSTOM_KEY", "other", { requestId: "deploy-17" }), "CONFLICT");
      await expectCode(secrets.set("CUSTOM_OTHER", "once", { requestId: "deploy-17" }), "CONFLICT");
      const other = await newCompany();
      const theirs = await other.secrets.set("CUSTOM_KEY", "theirs", { requestId: "deploy-17" });
      expect(theirs).toEqual({ version: 1 });
    },
  },
  {
    title: "restores a removed secret as it was, once, and never gives its numbers to other versions",
    needs: "recovery",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await secrets.set("CUSTOM_KEY", "one");
      await expectCode(secrets.restore("CUSTOM_KEY"), "NOT_FOUND");
      await secrets.set("CUSTOM_KEY", "two");
      await secrets.remove("CUSTOM_KEY");
      expect(await secrets.restore("CUSTOM_KEY")).toEqual({ version: 2 });
      expect(await secrets.get("CUSTOM_KEY")).toBe("two");
      await expectCode(secrets.restore("CUSTOM_KEY"), "NOT_FOUND");
      await secrets.remove("CUSTOM_KEY");
      expect(await secrets.set("CUSTOM_KEY", "three")).toEqual({ version: 3 });
    },
  },
  {
    title: "tells the versions of a secret, the newest first, with their notes and no value",
    needs: "history",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await expectCode(secrets.history("CUSTOM_KEY"), "NOT_FOUND");
      for (const note of ["first", "second", "third"]) {
        await secrets.set("CUSTOM_KEY", `fake-value-${note}`, { note });
      }
      const page = await secrets.history("CUSTOM_KEY", { limit: 2 });
      expect(page).toMatchObject({ versions: [{ version: 3, note: "third" }, { version: 2 }], next: 2 });
      const last = await secrets.history("CUSTOM_KEY", { before: page.next });
      expect(last.versions).toMatchObject([{ version: 1, note: "first" }]);
      expect(JSON.stringify([page, last])).not.toContain("fake-value");
    },
  },
  {
    title: "makes a staged value current by its promotion alone, and no other",
    needs: "stages",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await expectCode(secrets.stage("CUSTOM_KEY", "early"), "NOT_FOUND");
      await secrets.set("CUSTOM_KEY", "one");
      expect(await secrets.stage("CUSTOM_KEY", "two")).toEqual({ version: 2 });
      expect(await secrets.get("CUSTOM_KEY")).toBe("one");
      await expectCode(secrets.stage("CUSTOM_KEY", "three"), "CONFLICT");
      await expectCode(secrets.promote("CUSTOM_KEY", { pendingVersion: 3 }), "CONFLICT");
      expect(await secrets.promote("CUSTOM_KEY", { graceSeconds: 60 })).toEqual({ version: 2 });
      expect(await secrets.get("CUSTOM_KEY")).toBe("two");
      await expectCode(secrets.discard("CUSTOM_KEY"), "CONFLICT");
      const { versions } = await secrets.history("CUSTOM_KEY");
      expect(versions.map(({ version, stage }) => [version, stage])).toEqual([
        [2, "current"],
        [1, "previous"],
      ]);
      await secrets.stage("CUSTOM_KEY", "three");
      expect(await secrets.discard("CUSTOM_KEY")).toEqual({ version: 3 });
      await expectCode(secrets.rollback("CUSTOM_KEY", { toVersion: 3 }), "CONFLICT");
    },
  },
  {
    title: "uses every active version where the current one is rejected, and stores what the provider said",
    needs: "checks",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      await secrets.set("CUSTOM_KEY", "old");
      await secrets.set("CUSTOM_KEY", "new", { graceSeconds: 60 });
      const tried: string[] = [];
      const used = await secrets.use("CUSTOM_KEY", (value) => {
        tried.push(value);
        if (value !== "old") throw new CredentialRejected();
        return value;
      });
      expect([used, tried]).toEqual(["old", ["new", "old"]]);
      const { versions } = await secrets.history("CUSTOM_KEY");
      expect(versions.map(({ version, check }) => [version, check?.result])).toEqual([
        [2, "rejected"],
        [1, "accepted"],
      ]);
    },
  },
  {
    title: "writes an earlier value again as a new version",
    needs: "rollback",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      for (const value of ["one", "two"]) await secrets.set("CUSTOM_KEY", value);
      expect(await secrets.rollback("CUSTOM_KEY", { toVersion: 1 })).toEqual({ version: 3 });
      expect(await secrets.get("CUSTOM_KEY")).toBe("one");
      await expectCode(secrets.rollback("CUSTOM_KEY", { toVersion: 3 }), "CONFLICT");
      await expectCode(secrets.rollback("CUSTOM_KEY", { toVersion: 9 }), "NOT_FOUND");
    },
  },
  {
    title: "destroys what is purged for good, and numbers on from there",
    needs: "purge",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      for (const value of ["one", "two"]) await secrets.set("CUSTOM_KEY", value);
      await expectCode(secrets.purge("CUSTOM_KEY"), "CONFLICT");
      await secrets.remove("CUSTOM_KEY");
      await secrets.purge("CUSTOM_KEY");
      await expectCode(secrets.restore("CUSTOM_KEY"), "NOT_FOUND");
      expect(await secrets.set("CUSTOM_KEY", "three")).toEqual({ version: 3 });
      await expectCode(secrets.rollback("CUSTOM_KEY", { toVersion: 2 }), "CONFLICT");
    },
  },
  {
    title: "tells when the current version expires, and serves it all the same",
    needs: "expiry",
    verify: async ({ newCompany }) => {
      const { secrets } = await newCompany();
      const [soon, past] = [new Date(Date.now() + 3_600_000), new Date("2020-01-01")];
      await secrets.set("CUSTOM_KEY", "one", { expiresAt: soon });
      expect((await secrets.list({ expiresWithinDays: 1 })).secrets).toMatchObject([{ expiresAt: soon }]);
      await secrets.setExpiry("CUSTOM_KEY", { expiresAt: past });
      expect((await secrets.list()).secrets).toMatchObject([{ expiresAt: past }]);
      expect(await secrets.get("CUSTOM_KEY")).toBe("one");
      await secrets.set("CUSTOM_KEY", "two");
      expect((await secrets.list({ expiresWithinDays: 1 })).secrets).toEqual([]);
    },
  },
  {
    title: "writes all secrets of a batch or none",
    needs: "bulk",
    verify: async ({ newCompany }) => {
      const { secrets, changes } = await newCompany();
      await secrets.set("CUSTOM_A", "one");
      expect(await secrets.setMany({ CUSTOM_A: "two", CUSTOM_B: "one" })).toEqual([
        { secretKey: "CUSTOM_A", version: 2 },
        { secretKey: "CUSTOM_B", version: 1 },
      ]);
      const stale = { expectedVersions: { CUSTOM_A: 1 } };
      await expectCode(secrets.setMany({ CUSTOM_A: "three", CUSTOM_C: "one" }, stale), "CONFLICT");
      expect(await secrets.getMany(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"])).toEqual({
        CUSTOM_A: "two",
        CUSTOM_B: "one",
      });
      const successes = (await changes()).filter((change) => change.startsWith("secret.write success"));
      expect(successes).toHaveLength(3);
    },
  },
];
