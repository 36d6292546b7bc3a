import { describe, expect, test } from "vitest";
import type { Session } from "@repo/catalog";
import { codeOf, createFixture, product } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets } = fixture;
const company = await fixture.company("database");
await secrets.company(company, product).set("CUSTOM_A", "fake_a_0001");
await secrets.company(company, product).remove("CUSTOM_A");

/** An owner, as the product has authenticated them from their session. */
async function owner(session: Omit<Partial<Session>, "createdAt">) {
  const { userId } = await fixture.person(company, "owner");
  const { id } = fixture.accounts.start(userId, session).session;
  return secrets.authenticate({ headers: new Headers({ "x-test-session": id }) });
}
const anHourAgo = new Date(Date.now() - 3_600_000);

describe("code of the product that acts for a person is held to", () => {
  test("a second factor, before anything", async () => {
    const person = await owner({ enrolled: false });
    expect(await codeOf(secrets.company(company, person).list())).toBe("FORBIDDEN");
    const [event] = await fixture.superuser`select outcome, reason from audit_events
      where actor_id = ${person.actor.id} and action = 'secret.list'`;
    expect(event).toEqual({ outcome: "denied", reason: "FORBIDDEN" });
  });

  test("a recent confirmation, for what asks for one", async () => {
    const [stale, fresh] = [await owner({ confirmedAt: anHourAgo }), await owner({})];
    expect(await codeOf(secrets.company(company, stale).list())).toBe("no error");
    expect(await codeOf(secrets.company(company, stale).purge("CUSTOM_A"))).toBe("CONFIRMATION_REQUIRED");
    expect(await codeOf(secrets.company(company, fresh).purge("CUSTOM_A"))).toBe("no error");
  });
});
