import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { createFixture, operationsOf, operator } from "../testing/fixture.ts";
import { audited, type Operations } from "./operation.ts";

const fixture = await createFixture();
await fixture.secrets.prepare();
const operations = operationsOf(fixture);
const operation = { caller: operator, action: "key.status" } as const;

test("work that returns no event does not compile", () => {
  const unaudited = async ({ change, read, steps }: Pick<Operations, "change" | "read" | "steps">) => {
    // @ts-expect-error a result alone
    await change(operation, async () => "changed");
    // @ts-expect-error a result alone
    await read(operation, async () => "read");
    // @ts-expect-error a result alone
    await steps(operation).commit(async () => "committed");
    // @ts-expect-error no event
    await read(operation, async () => audited("read"));
    // @ts-expect-error no such action
    await read(operation, async () => audited("read", { action: "key.look" }));
  };
  expect(unaudited).toBeTypeOf("function");
});

test("a change with an empty list of events is rolled back, and a read with one returns nothing", async () => {
  await fixture.superuser`create table changed (id integer)`;
  await fixture.superuser`grant all on changed to public`;
  const change = operations.change(operation, async ({ statements }) => {
    await statements.execute(sql`insert into changed values (1)`);
    return audited("changed", []);
  });
  await expect(change).rejects.toMatchObject({ code: "INTERNAL" });
  expect(await fixture.superuser`select from changed`).toHaveLength(0);
  const read = operations.read(operation, async () => audited("read", []));
  await expect(read).rejects.toMatchObject({ code: "INTERNAL" });
});

test("a denied change is audited, and its work does not run", async () => {
  const subdomain = await fixture.company("database");
  const { actor } = await fixture.person(subdomain, "member");
  const requestId = crypto.randomUUID();
  const asked = { caller: { actor, requestId }, action: "key.rotate", verb: "rotate" } as const;
  let isDone = false;
  const change = operations.change(asked, async () => {
    isDone = true;
    return audited(undefined, {});
  });
  await expect(change).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(isDone).toBe(false);
  expect(
    await fixture.superuser`select outcome, reason from audit_events where request_id = ${requestId}`,
  ).toEqual([{ outcome: "denied", reason: "FORBIDDEN" }]);
});

test("several events of one read are committed together, each with the fields of its operation", async () => {
  const requestId = crypto.randomUUID();
  const asked = { caller: { ...operator, requestId }, action: "secret.search" } as const;
  const read = () =>
    operations.read(asked, async () => audited("found", [{}, { secretKey: "CUSTOM_A", version: 3 }]));
  expect(await read()).toBe("found");
  expect(
    await fixture.superuser`
      select action, outcome, secret_key, version, count(*) over (partition by xid)::int as together
      from audit_events where request_id = ${requestId} order by sequence_no`,
  ).toEqual([
    { action: "secret.search", outcome: "success", secret_key: null, version: null, together: 2 },
    { action: "secret.search", outcome: "success", secret_key: "CUSTOM_A", version: 3, together: 2 },
  ]);
});
