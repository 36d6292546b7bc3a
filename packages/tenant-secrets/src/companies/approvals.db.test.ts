import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { newLink, newOperator, requestOf } from "../testing/approvals.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";

let fixture: Fixture;
/** A deployment in which what cannot be undone takes two operators. */
let secrets: Fixture["secrets"];

beforeAll(async () => {
  fixture = await createFixture();
  secrets = fixture.another({ operatorApprovals: 2 });
});

const rotation = { backup: () => Promise.resolve("sha256:fake"), timeoutMs: 5000 };

async function filled(): Promise<string> {
  const subdomain = await fixture.company("database");
  await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "sk_test_fake_approvals_0001");
  return subdomain;
}

const shred = (caller: Caller, subdomain: string, backupsKeptDays = 30) =>
  secrets.shredding.shred(caller, subdomain, { backupsKeptDays });

/** A company, the operator who asks to shred it, another one, and the request. */
async function asked(operators?: { readonly alice: Caller; readonly bob: Caller }) {
  const alice = operators?.alice ?? (await newOperator(secrets, "alice"));
  const bob = operators?.bob ?? (await newOperator(secrets, "bob"));
  const company = await filled();
  const id = await requestOf(shred(alice, company));
  return { alice, bob, company, id };
}

let people = 0;
const address = (): string => `person-${++people}@example.com`;
const userOf = async (email: string): Promise<string> => {
  const [row] = await fixture.superuser`select id from users where email = ${email}`;
  return String(row?.["id"]);
};

async function isIntact(company: string): Promise<boolean> {
  const [row] = await fixture.superuser`select count(*)::int as wraps from company_key_wraps w
    join companies c on c.id = w.company_id where c.subdomain = ${company}`;
  return row?.["wraps"] === 1;
}

const eventsOf = async (id: string): Promise<string[]> =>
  (
    await fixture.superuser`select action || ' ' || outcome as event from audit_events
      where subject = ${id} and action like 'approval.%' order by position`
  ).map(({ event }) => String(event));

async function stateOf(caller: Caller, id: string): Promise<string | undefined> {
  return (await secrets.approvals.list(caller)).find((approval) => approval.id === id)?.state;
}

/** Runs a statement as a superuser with triggers disabled. */
async function tamper(statement: string, parameters: string[]): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(statement, parameters);
  });
}

/** Moves a request back in time, as its own writer would have written it then. */
async function age(id: string, hours: number): Promise<void> {
  await fixture.superuser`update approvals set requested_at = requested_at - make_interval(secs => ${hours * 3600}),
    expires_at = expires_at - make_interval(secs => ${hours * 3600}) where id = ${id}`;
  await fixture.remacRows();
}

describe("what cannot be undone", () => {
  test("waits for another operator, and is done once, by the operator who asked", async () => {
    const { alice, bob, company, id } = await asked();
    expect(await isIntact(company)).toBe(true);
    // Asking again finds the open request.
    expect(await requestOf(shred(alice, company))).toBe(id);
    expect(await secrets.approvals.list(bob)).toContainEqual(
      expect.objectContaining({
        id,
        action: "key.shred",
        state: "waiting",
        requestedBy: { id: alice.actor.id, name: "alice" },
        parameters: expect.objectContaining({
          subdomain: company,
          backupsKeptDays: 30,
          withInfisicalFolder: false,
        }),
      }),
    );
    expect(await secrets.approvals.give(bob, id)).toMatchObject({
      state: "given",
      givenBy: { id: bob.actor.id, name: "bob" },
    });
    // Bob's own call is another request: an approval is no way to act in the other's name.
    expect(await requestOf(shred(bob, company))).not.toBe(id);
    expect(await isIntact(company)).toBe(true);
    const receipt = await shred(alice, company);
    expect(await isIntact(company)).toBe(false);
    expect(JSON.parse(receipt.receipt)).toMatchObject({
      shreddedBy: `operator ${alice.actor.id}`,
      approvedBy: `operator ${bob.actor.id}`,
    });
    expect(await stateOf(alice, id)).toBe("used");
    expect(await eventsOf(id)).toEqual([
      "approval.request success",
      "approval.give success",
      "approval.use success",
    ]);
    // A lost answer: the receipt comes again, and destroys nothing.
    expect(await shred(alice, company)).toEqual(receipt);
    await fixture.secrets.flush();
    expect((await secrets.audit.verify(operator, {})).findings).toEqual([]);
  });

  test("a master key is destroyed with an approval of its version alone", async () => {
    const own = await createFixture();
    const two = own.another({ operatorApprovals: 2 });
    await own.secrets.keyRotation.rotate(operator, rotation);
    await own.secrets.keyRotation.rotate(operator, rotation);
    const [alice, bob] = [await newOperator(two, "alice"), await newOperator(two, "bob")];
    const destroy = (version: number) => two.masterKeys.destroy(alice, version);
    // Nothing is asked for what would fail.
    expect(await codeOf(destroy(3))).toBe("CONFLICT");
    expect(await codeOf(destroy(99))).toBe("NOT_FOUND");
    expect(await two.approvals.list(bob)).toEqual([]);
    await two.approvals.give(bob, await requestOf(destroy(1)));
    await requestOf(destroy(2));
    // Infisical fails after the approval was used: the call can be finished.
    own.emulator.faults.add({ kind: "answer", status: 500 }, { method: "DELETE", path: /MASTER/, times: 5 });
    expect(await codeOf(destroy(1))).not.toBe("no error");
    own.emulator.faults.clear();
    await destroy(1);
    const { versions } = await two.masterKeys.status(alice);
    expect(versions.map(({ version, status }) => `${version} ${status}`)).toEqual([
      "1 destroyed",
      "2 retired",
      "3 active",
    ]);
    const uses = await own.superuser`select from audit_events where action = 'approval.use'`;
    expect(uses).toHaveLength(1);

    // The start of an emergency rotation: once begun, it needs no other approval, and a second one does.
    const answer = (restart: boolean) =>
      two.emergencyRotation(alice, { rotation, revokeCredentials: false, restart });
    const before = await requestOf(answer(false));
    expect(
      await own.superuser`select from audit_events where action = 'key.emergency-rotate' and outcome = 'attempted'`,
    ).toHaveLength(0);
    await requestOf(answer(true));
    await two.approvals.give(bob, before);
    const stopped = two.emergencyRotation(alice, {
      rotation,
      revokeCredentials: false,
      onStep: () => Promise.reject(new Error("stopped")),
    });
    await expect(stopped).rejects.toMatchObject({ code: "INTERNAL" });
    // A restart was approved once: another one, of the same version, is another request.
    const restart = await requestOf(answer(true));
    await two.approvals.give(bob, restart);
    const stoppedAgain = two.emergencyRotation(alice, {
      rotation,
      revokeCredentials: false,
      restart: true,
      onStep: () => Promise.reject(new Error("stopped")),
    });
    await expect(stoppedAgain).rejects.toMatchObject({ code: "INTERNAL" });
    expect(await requestOf(answer(true))).not.toBe(restart);
    await answer(false);
    expect(await requestOf(answer(false))).not.toBe(before);
  });
});

test("two links, two tokens that name people, and one of each, are two operators where the people differ", async () => {
  const link = () => newLink(fixture, address());
  const token = () => newOperator(secrets, "token", address());
  for (const [asks, gives] of [
    [link, link],
    [token, token],
    [link, token],
  ] as const) {
    const { alice, bob, company, id } = await asked({ alice: await asks(), bob: await gives() });
    await secrets.approvals.give(bob, id);
    await shred(alice, company);
    expect(await isIntact(company)).toBe(false);
  }
});

test("the token of a disabled person opens nothing, and a person with a token and a link unlinks the link alone", async () => {
  const email = address();
  const expiresAt = new Date(Date.now() + 3_600_000);
  const { id, token } = await secrets.operators.create(operator, { name: "both", expiresAt, person: email });
  await newLink(fixture, email);
  const unlinked = await secrets.operators.unlink(operator, email);
  expect(unlinked.id).not.toBe(id);
  expect(await codeOf(secrets.operators.unlink(operator, email))).toBe("NOT_FOUND");
  const fresh = () => fixture.another().authenticate({ credential: token });
  expect((await fresh()).actor).toEqual({ kind: "operator", id });
  await secrets.users.disable(operator, await userOf(email));
  expect(await codeOf(fresh())).toBe("UNAUTHENTICATED");
  await secrets.users.enable(operator, await userOf(email));
  expect(await codeOf(fresh())).toBe("no error");
});

describe("an approval counts for nothing", () => {
  test("by the operator who asks", async () => {
    const { alice, company, id } = await asked();
    const answer = secrets.approvals.give(alice, id);
    await expect(answer).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("person who asks"),
    });
    expect(await eventsOf(id)).toEqual(["approval.request success", "approval.give denied"]);
    await requestOf(shred(alice, company));
  });

  test("by the person who asks, with another access of theirs", async () => {
    const email = address();
    const link = await newLink(fixture, email);
    const [token, second] = [
      await newOperator(secrets, "one", email),
      await newOperator(secrets, "two", email),
    ];
    await secrets.operators.unlink(operator, email);
    const relinked = await newLink(fixture, email);
    expect(relinked.actor.id).not.toBe(link.actor.id);
    for (const [alice, bob] of [
      [relinked, token],
      [token, relinked],
      [token, second],
    ] as const) {
      const { company, id } = await asked({ alice, bob });
      await expect(secrets.approvals.give(bob, id)).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringContaining("person who asks"),
      });
      expect(await requestOf(shred(alice, company))).toBe(id);
      // To refuse takes no other person.
      await secrets.approvals.refuse(bob, id);
      expect(await isIntact(company)).toBe(true);
    }
  });

  test("of a token that names no person for an operator whose person is known, and the other way round", async () => {
    const unnamed = await newOperator(secrets, "unnamed");
    const [linked, named] = [await newLink(fixture, address()), await newOperator(secrets, "n", address())];
    for (const [alice, bob] of [
      [unnamed, linked],
      [linked, unnamed],
      [unnamed, named],
      [named, unnamed],
    ] as const) {
      const { company, id } = await asked({ alice, bob });
      await expect(secrets.approvals.give(bob, id)).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringContaining("--person"),
      });
      await requestOf(shred(alice, company));
      expect(await isIntact(company)).toBe(true);
    }
  });

  test("where plain SQL moved the giver's token to another person", async () => {
    const email = address();
    const alice = await newOperator(secrets, "alice", email);
    const bob = await newOperator(secrets, "bob", address());
    const { company, id } = await asked({ alice, bob });
    const own = await newOperator(secrets, "own", email);
    const other = address();
    await secrets.members.add(operator, company, { email: other, name: "Other", role: "member" });
    await fixture.superuser`update operators set user_id = ${await userOf(other)} where id = ${own.actor.id}`;
    expect(await codeOf(secrets.approvals.give(own, id))).toBe("FORBIDDEN");
    await secrets.approvals.give(bob, id);
    await fixture.superuser`update operators set user_id = ${await userOf(other)} where id = ${bob.actor.id}`;
    expect(await requestOf(shred(alice, company))).not.toBe(id);
    expect(await isIntact(company)).toBe(true);
  });

  test("once the person who gave it is disabled, whose token opens nothing from then on", async () => {
    for (const make of [newLink, (_: Fixture, email: string) => newOperator(secrets, "bob", email)]) {
      const email = address();
      const bob = await make(fixture, email);
      const { alice, company, id } = await asked({ alice: await newLink(fixture, address()), bob });
      await secrets.approvals.give(bob, id);
      await secrets.users.disable(operator, await userOf(email));
      const next = await requestOf(shred(alice, company));
      expect(next).not.toBe(id);
      expect(await codeOf(secrets.approvals.give(bob, next))).toBe("FORBIDDEN");
      expect(await codeOf(shred(bob, company))).toBe("UNAUTHENTICATED");
      expect(await isIntact(company)).toBe(true);
    }
  });

  test("by anyone but an operator, or by one who was revoked", async () => {
    const { alice, bob, company, id } = await asked();
    const owner = await fixture.person(company, "owner");
    for (const caller of [owner, product, { actor: { kind: "operator", id: "test-operator" } } as const]) {
      expect(await codeOf(secrets.approvals.give(caller, id))).toBe("FORBIDDEN");
      expect(await codeOf(secrets.approvals.refuse(caller, id))).toBe("FORBIDDEN");
    }
    expect(await codeOf(secrets.approvals.list(owner))).toBe("FORBIDDEN");
    await secrets.operators.revoke(operator, bob.actor.id);
    expect(await codeOf(secrets.approvals.give(bob, id))).toBe("FORBIDDEN");
    await requestOf(shred(alice, company));
  });

  test("once the operator who gave it is revoked", async () => {
    const { alice, bob, company, id } = await asked();
    await secrets.approvals.give(bob, id);
    await secrets.operators.revoke(operator, bob.actor.id);
    expect(await requestOf(shred(alice, company))).not.toBe(id);
    expect(await isIntact(company)).toBe(true);
  });

  test("once the operator who asked is revoked: the token is refused in a process that has it cached, too", async () => {
    const { alice, bob, company, id } = await asked();
    await secrets.operators.revoke(operator, alice.actor.id);
    expect(await codeOf(secrets.approvals.give(bob, id))).toBe("CONFLICT");
    expect(await codeOf(shred(alice, company))).toBe("UNAUTHENTICATED");
    expect(await isIntact(company)).toBe(true);
  });

  test("after 24 hours, whether it was given or not", async () => {
    const { alice, bob, company, id } = await asked();
    const approval = (await secrets.approvals.list(bob)).find((each) => each.id === id);
    expect(Number(approval?.expiresAt) - Number(approval?.requestedAt)).toBe(24 * 3_600_000);
    await secrets.approvals.give(bob, id);
    await age(id, 23.9);
    expect(await stateOf(bob, id)).toBe("given");
    await age(id, 0.1);
    expect(await stateOf(bob, id)).toBe("expired");
    const next = await requestOf(shred(alice, company));
    expect(next).not.toBe(id);
    await age(next, 24);
    await expect(secrets.approvals.give(bob, next)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("has expired"),
    });
    expect(await isIntact(company)).toBe(true);
  });

  test("once it was refused, also after it was given", async () => {
    const { alice, bob, company, id } = await asked();
    await secrets.approvals.give(bob, id);
    expect(await secrets.approvals.refuse(bob, id)).toMatchObject({ state: "refused" });
    expect(await codeOf(secrets.approvals.give(bob, id))).toBe("CONFLICT");
    const next = await requestOf(shred(alice, company));
    expect(next).not.toBe(id);
    // The operator who asks withdraws it.
    await secrets.approvals.refuse(alice, next);
    expect(await stateOf(bob, next)).toBe("refused");
    expect(await isIntact(company)).toBe(true);
  });

  test("for other parameters: another company, another promise, another subdomain, the folder in Infisical", async () => {
    const { alice, bob, company, id } = await asked();
    await secrets.approvals.give(bob, id);
    const other = await filled();
    const withFolder = { backupsKeptDays: 30, withInfisicalFolder: true };
    const requests = [
      await requestOf(shred(alice, other)),
      await requestOf(shred(alice, company, 0)),
      await requestOf(secrets.shredding.shred(alice, company, withFolder)),
    ];
    await secrets.companies.rename(operator, company, { subdomain: `${company}-renamed` });
    requests.push(await requestOf(shred(alice, `${company}-renamed`)));
    expect(new Set([id, ...requests]).size).toBe(5);
    expect(await isIntact(other)).toBe(true);
    expect(await isIntact(`${company}-renamed`)).toBe(true);
  });

  test("where the row was planted or changed in the database", async () => {
    const { alice, bob, company, id } = await asked();
    await tamper("update approvals set given_by = $2, given_at = now() where id = $1", [id, bob.actor.id]);
    expect(await codeOf(secrets.approvals.give(bob, id))).toBe("INTEGRITY_FAILURE");
    const next = await requestOf(shred(alice, company));
    expect(next).not.toBe(id);
    await tamper(
      `insert into approvals select gen_random_uuid(), action, parameters, requested_by, now(), expires_at, $2, now(),
         null, null, null, revision, mac_key_version, mac from approvals where id = $1`,
      [next, bob.actor.id],
    );
    expect(await requestOf(shred(alice, company))).toBe(next);
    // A genuine approval of another company, moved here.
    const elsewhere = await asked();
    await secrets.approvals.give(elsewhere.bob, elsewhere.id);
    await tamper(
      `update approvals a set requested_by = b.requested_by, parameters = b.parameters from approvals b where a.id = $1 and b.id = $2`,
      [elsewhere.id, next],
    );
    expect(await requestOf(shred(alice, company))).toBe(next);
    expect(await isIntact(company)).toBe(true);
    const listed = (await secrets.approvals.list(bob)).map((approval) => approval.id);
    expect(listed).toContain(next);
    expect(listed).not.toContain(id);
    const { findings } = await secrets.audit.verify(operator, {});
    // The changed one, the planted one and the moved one.
    expect(findings).toEqual([expect.objectContaining({ kind: "row-not-genuine", count: 3 })]);
  });
});

describe("at once", () => {
  test("one of 50 approvals counts, and the others are told", async () => {
    const { bob, id } = await asked();
    const others = await Promise.all(Array.from({ length: 4 }, (_, i) => newOperator(secrets, `other-${i}`)));
    const givers = Array.from({ length: 50 }, (_, i) => [bob, ...others][i % 5] ?? bob);
    const answers = await Promise.all(givers.map((giver) => codeOf(secrets.approvals.give(giver, id))));
    expect(answers.toSorted()).toEqual([...Array<string>(49).fill("CONFLICT"), "no error"]);
    expect((await eventsOf(id)).filter((event) => event === "approval.give success")).toHaveLength(1);
  });

  test("many calls make one request, and use one approval once", async () => {
    const [alice, bob, company] = await Promise.all([
      newOperator(secrets, "alice"),
      newOperator(secrets, "bob"),
      filled(),
    ]);
    const tenTimes = <T>(call: () => Promise<T>) => Promise.all(Array.from({ length: 10 }, call));
    const requests = new Set(await tenTimes(() => requestOf(shred(alice, company))));
    expect(requests.size).toBe(1);
    const [id = ""] = requests;
    await secrets.approvals.give(bob, id);
    const receipts = await tenTimes(() => shred(alice, company));
    expect(new Set(receipts.map(({ signature }) => signature)).size).toBe(1);
    expect((await eventsOf(id)).filter((event) => event.startsWith("approval.use"))).toHaveLength(1);
  });

  test(
    "a process that is killed before its commit has neither acted nor used the approval",
    { timeout: 180_000 },
    async () => {
      const { alice, bob, company, id } = await asked();
      await secrets.approvals.give(bob, id);
      const script = fileURLToPath(new URL("../testing/doomed-process.ts", import.meta.url));
      const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
      child.stdin.end(
        JSON.stringify({
          work: "shred",
          subdomain: company,
          operatorId: alice.actor.id,
          killAt: 0,
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
        }),
      );
      expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
      expect([await isIntact(company), await stateOf(bob, id)]).toEqual([true, "given"]);
      await shred(alice, company);
      expect([await isIntact(company), await stateOf(bob, id)]).toEqual([false, "used"]);
    },
  );
});

test("with one operator required, each act is audited as one without an approval", async () => {
  const [alice, company] = await Promise.all([newOperator(secrets, "alice"), filled()]);
  await fixture.secrets.shredding.shred(alice, company, { backupsKeptDays: 30 });
  const events =
    await fixture.superuser`select e.action, e.outcome from audit_events e join companies c on c.id = e.company_id
    where c.subdomain = ${company} and e.actor_id = ${alice.actor.id} order by e.position`;
  expect(events.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    "key.shred success",
    "approval.waive success",
  ]);
});
