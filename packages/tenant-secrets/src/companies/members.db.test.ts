import { describe, expect, test } from "vitest";
import type { Caller, Role } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Person } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const { members, users } = secrets;

/** A company with one person of each role. */
async function staffed() {
  const subdomain = await fixture.company("database");
  const [owner, admin, member, auditor] = [
    await fixture.person(subdomain, "owner"),
    await fixture.person(subdomain, "admin"),
    await fixture.person(subdomain, "member"),
    await fixture.person(subdomain, "auditor"),
  ];
  return { subdomain, owner, admin, member, auditor };
}

const rolesOf = async (subdomain: string): Promise<Map<string, Role>> =>
  new Map((await members.list(operator, subdomain)).map(({ userId, role }) => [userId, role]));

const newcomer = (role: Role) => ({ email: `${crypto.randomUUID()}@example.com`, name: "New", role });

describe("members", () => {
  test("a person is identified by a lower-case e-mail address, at most once per company and in any number of companies", async () => {
    const [a, b] = [await fixture.company("database"), await fixture.company("hybrid")];
    const email = `Ada.${crypto.randomUUID()}@Example.COM`;
    const ada = await members.add(operator, a, { email, name: "Ada", role: "admin" });
    expect(ada).toMatchObject({ email: email.toLowerCase(), name: "Ada", role: "admin", disabled: false });
    const there = await members.add(operator, b, { email: email.toLowerCase(), name: "x", role: "auditor" });
    expect(there.userId).toBe(ada.userId);
    expect(await codeOf(members.add(operator, a, { email, name: "Ada", role: "member" }))).toBe("CONFLICT");
    expect((await rolesOf(a)).get(ada.userId)).toBe("admin");
    expect((await members.change(operator, b, { userId: ada.userId, role: "member" })).role).toBe("member");
    expect((await rolesOf(a)).get(ada.userId)).toBe("admin");
    await members.remove(operator, b, { userId: ada.userId });
    expect(await members.list(operator, b)).toEqual([]);
    expect(await members.list(operator, a)).toHaveLength(1);
  });

  test.each([
    ["", "a"],
    ["ada", "a"],
    ["ada@", "a"],
    ["a b@example.com", "a"],
    ["ada@example.com\n", "a"],
    [`${"a".repeat(250)}@example.com`, "a"],
    ["ada@example.com", ""],
    ["ada@example.com", "a\u001b[31m"],
  ])("are not added as %j, %j", async (email, name) => {
    const subdomain = await fixture.company("database");
    expect(await codeOf(members.add(operator, subdomain, { email, name, role: "member" }))).toBe(
      "INVALID_INPUT",
    );
    expect(await superuser`select from users where email = ${email}`).toHaveLength(0);
  });

  test("owners, admins and operators manage members, and other roles cannot see them", async () => {
    const { subdomain, member, auditor, owner, admin } = await staffed();
    for (const caller of [owner, admin, operator])
      expect(await members.list(caller, subdomain)).toHaveLength(4);
    const others = [member, auditor, product];
    for (const caller of others) {
      const calls = [
        members.list(caller, subdomain),
        members.add(caller, subdomain, newcomer("auditor")),
        members.change(caller, subdomain, { userId: auditor.userId, role: "admin" }),
        members.remove(caller, subdomain, { userId: admin.userId }),
      ];
      expect(await Promise.all(calls.map(codeOf))).toEqual(Array(4).fill("FORBIDDEN"));
    }
    expect(await rolesOf(subdomain)).toHaveProperty("size", 4);
  });

  test("an admin cannot add, change or remove an owner, and cannot grant more than the admin role", async () => {
    const { subdomain, owner, admin, member } = await staffed();
    const before = await rolesOf(subdomain);
    const refused = [
      members.add(admin, subdomain, newcomer("owner")),
      members.change(admin, subdomain, { userId: member.userId, role: "owner" }),
      members.change(admin, subdomain, { userId: admin.userId, role: "owner" }),
      members.change(admin, subdomain, { userId: owner.userId, role: "auditor" }),
      members.remove(admin, subdomain, { userId: owner.userId }),
    ];
    expect(await Promise.all(refused.map(codeOf))).toEqual(Array(5).fill("FORBIDDEN"));
    expect(await rolesOf(subdomain)).toEqual(before);
    const colleague = await members.add(admin, subdomain, newcomer("admin"));
    await members.change(admin, subdomain, { userId: colleague.userId, role: "member" });
    await members.remove(admin, subdomain, { userId: colleague.userId });
    await members.change(owner, subdomain, { userId: member.userId, role: "owner" });
    expect((await rolesOf(subdomain)).get(member.userId)).toBe("owner");
  });

  test("a member of another company is NOT_FOUND, as a person who does not exist is", async () => {
    const [mine, theirs] = [await staffed(), await staffed()];
    for (const caller of [mine.owner, operator]) {
      for (const id of [theirs.member.userId, crypto.randomUUID(), "no id", ""]) {
        const calls = [
          members.change(caller, mine.subdomain, { userId: id, role: "auditor" }),
          members.remove(caller, mine.subdomain, { userId: id }),
        ];
        expect(await Promise.all(calls.map(codeOf))).toEqual(["NOT_FOUND", "NOT_FOUND"]);
      }
    }
    const calls = [
      members.list(mine.owner, theirs.subdomain),
      members.add(mine.owner, theirs.subdomain, newcomer("admin")),
      members.change(mine.owner, theirs.subdomain, { userId: theirs.member.userId, role: "auditor" }),
      members.remove(mine.owner, theirs.subdomain, { userId: theirs.member.userId }),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(Array(4).fill("NOT_FOUND"));
    expect(await rolesOf(theirs.subdomain)).toHaveProperty("size", 4);
    const denied = await fixture.superuser`select action from audit_events
      where subject = ${theirs.member.userId} and outcome = 'denied' order by action`;
    expect(denied.map((event) => event["action"])).toEqual(["member.change", "member.remove"]);
  });
});

test("adding a person reveals nothing about them: neither their existence, nor a disablement, nor their names elsewhere", async () => {
  const [ours, theirs] = [await staffed(), await staffed()];
  const email = `${crypto.randomUUID()}@example.com`;
  const before = await members.add(theirs.owner, theirs.subdomain, {
    email,
    name: "The one who is to be dismissed",
    role: "admin",
  });
  await users.disable(operator, before.userId);
  const known = await members.add(ours.owner, ours.subdomain, { email, name: "Ada", role: "member" });
  const stranger = { email: `${crypto.randomUUID()}@example.com`, name: "Ada", role: "member" } as const;
  const fresh = await members.add(ours.owner, ours.subdomain, stranger);
  const answerOf = ({ userId, email: address, since, ...rest }: typeof known) => {
    // Random for every person: no part of it is a time or a count.
    expect(userId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(address).toContain("@example.com");
    expect(Math.abs(Date.now() - since.getTime())).toBeLessThan(60_000);
    return rest;
  };
  expect(answerOf(known)).toEqual(answerOf(fresh));
  expect(answerOf(known)).toStrictEqual({ name: "Ada", role: "member" });

  const seenBy = async (caller: Caller, subdomain: string) =>
    (await members.list(caller, subdomain)).find((member) => member.email === email);
  for (const caller of [ours.owner, ours.admin]) {
    expect(await seenBy(caller, ours.subdomain)).toStrictEqual({ ...known });
    expect(
      await members.change(caller, ours.subdomain, { userId: known.userId, role: "auditor" }),
    ).not.toHaveProperty("disabled");
    await members.change(caller, ours.subdomain, { userId: known.userId, role: "member" });
  }
  expect(await seenBy(operator, ours.subdomain)).toMatchObject({ name: "Ada", disabled: true });
  // The other company does not see this company's name for the person either.
  expect(await seenBy(theirs.owner, theirs.subdomain)).toMatchObject({
    name: "The one who is to be dismissed",
  });
  await members.remove(ours.owner, ours.subdomain, { userId: known.userId });
  const again = await members.add(ours.owner, ours.subdomain, { email, name: "Grace", role: "member" });
  expect(again.name).toBe("Grace");
});

describe("the last owner", () => {
  const owners = async (subdomain: string): Promise<number> =>
    [...(await rolesOf(subdomain)).values()].filter((role) => role === "owner").length;

  test("a company's last active owner cannot be removed or demoted", async () => {
    const { subdomain, owner } = await staffed();
    for (const caller of [owner, operator]) {
      expect(await codeOf(members.remove(caller, subdomain, { userId: owner.userId }))).toBe("CONFLICT");
      expect(await codeOf(members.change(caller, subdomain, { userId: owner.userId, role: "admin" }))).toBe(
        "CONFLICT",
      );
    }
    const second = await fixture.person(subdomain, "owner");
    await users.disable(operator, second.userId);
    expect(await codeOf(members.remove(owner, subdomain, { userId: owner.userId }))).toBe("CONFLICT");
    await users.enable(operator, second.userId);
    await members.remove(owner, subdomain, { userId: owner.userId });
    expect(await owners(subdomain)).toBe(1);
  });

  test("two owners who remove each other or themselves concurrently leave one owner", async () => {
    const another = fixture.another();
    for (let round = 0; round < 5; round++) {
      const subdomain = await fixture.company("database");
      const [a, b] = [await fixture.person(subdomain, "owner"), await fixture.person(subdomain, "owner")];
      const [first, second]: [Person, Person] = round % 2 === 0 ? [a, b] : [b, a];
      const outcomes = await Promise.all([
        codeOf(members.remove(a, subdomain, { userId: first.userId })),
        codeOf(another.members.change(b, subdomain, { userId: second.userId, role: "auditor" })),
      ]);
      // An owner who was removed or demoted first cannot remove the other.
      expect(outcomes.toSorted()).toEqual([round % 2 === 0 ? "CONFLICT" : "FORBIDDEN", "no error"]);
      expect(await owners(subdomain)).toBe(1);
    }
  });
});

test("only operators disable and enable people, whose memberships remain", async () => {
  const { subdomain, owner, admin } = await staffed();
  for (const caller of [owner, admin, product]) {
    expect(await codeOf(users.disable(caller, admin.userId))).toBe("FORBIDDEN");
    expect(await codeOf(users.enable(caller, crypto.randomUUID()))).toBe("FORBIDDEN");
  }
  await users.disable(operator, admin.userId);
  await users.disable(operator, admin.userId);
  expect(await codeOf(secrets.authenticate({ headers: admin.headers }))).toBe("UNAUTHENTICATED");
  expect((await members.list(operator, subdomain)).filter(({ disabled }) => disabled)).toMatchObject([
    { userId: admin.userId, role: "admin" },
  ]);
  await users.enable(operator, admin.userId);
  expect((await secrets.authenticate({ headers: admin.headers })).actor).toEqual(admin.actor);
  for (const id of [crypto.randomUUID(), "no id"]) {
    expect(await codeOf(users.disable(operator, id))).toBe("NOT_FOUND");
  }
});

test("every change of a member is audited with the person and the role, and so is every denial", async () => {
  const { subdomain, admin, owner } = await staffed();
  const { userId } = await members.add(admin, subdomain, newcomer("member"));
  await members.change(admin, subdomain, { userId, role: "auditor" });
  await members.remove(admin, subdomain, { userId });
  await codeOf(members.remove(admin, subdomain, { userId: owner.userId }));
  await codeOf(members.add(admin, subdomain, newcomer("owner")));
  await codeOf(members.remove(owner, subdomain, { userId: owner.userId }));
  await users.disable(operator, userId);
  const events = await superuser`
    select action, outcome, reason, subject, company_id is not null as filed from audit_events
    where actor_id in (${admin.userId}, ${owner.userId}) or (action = 'user.disable' and subject = ${userId}) order by position`;
  expect(events.map((e) => [e["action"], e["outcome"], e["reason"], e["subject"], e["filed"]])).toEqual([
    ["member.add", "success", "member", userId, true],
    ["member.change", "success", "auditor", userId, true],
    ["member.remove", "success", "auditor", userId, true],
    ["member.remove", "denied", "FORBIDDEN", owner.userId, true],
    ["member.add", "denied", "FORBIDDEN", null, true],
    ["member.remove", "failed", "CONFLICT", owner.userId, true],
    ["user.disable", "success", null, userId, false],
  ]);
});

describe("API keys of a person who loses access", () => {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const make = async (as: Caller, subdomain: string, name: string): Promise<string> => {
    const key = {
      name,
      platform: false,
      companies: [subdomain],
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt,
    } as const;
    return (await secrets.apiKeys.create(as, key)).apiKey;
  };
  const asking = fixture.another();
  const works = (credential: string) => codeOf(asking.authenticate({ credential }));
  const revocations = async () => {
    const [row] =
      await superuser`select count(*)::int as n from audit_events where action = 'api-key.revoke'`;
    return Number(row?.["n"]);
  };

  test("removing a member lists their API keys in that company, and revokes them only on request", async () => {
    const [ours, theirs] = [await staffed(), await staffed()];
    const both = ours.admin;
    const email =
      (await members.list(operator, ours.subdomain)).find(({ userId }) => userId === both.userId)?.email ??
      "";
    await members.add(operator, theirs.subdomain, { email, name: "Both", role: "admin" });
    const as: Caller = await secrets.authenticate({ headers: both.headers });
    const [first, second] = [
      await make(as, ours.subdomain, "first"),
      await make(as, ours.subdomain, "second"),
    ];
    const elsewhere = await make(as, theirs.subdomain, "elsewhere");
    const ofOwner = await make(ours.owner, ours.subdomain, "of the owner");
    await superuser`update api_keys set expires_at = now() - interval '1 second' where name = 'second'`;
    const left = await members.remove(ours.owner, ours.subdomain, { userId: both.userId });
    expect(left).toMatchObject({
      apiKeys: [{ name: "first", platform: false, companies: [ours.subdomain], expiresAt }],
      revoked: false,
    });
    expect(await works(first)).toBe("no error");
    await members.add(ours.owner, ours.subdomain, { email, name: "Back", role: "admin" });
    const before = await revocations();
    const options = { revokeApiKeys: true };
    expect(
      await members.remove(ours.owner, ours.subdomain, { userId: both.userId, ...options }),
    ).toMatchObject({
      apiKeys: [{ name: "first" }],
      revoked: true,
    });
    expect([await works(first), await works(elsewhere), await works(ofOwner)]).toEqual([
      "UNAUTHENTICATED",
      "no error",
      "no error",
    ]);
    expect(await works(second)).toBe("UNAUTHENTICATED");
    expect(await revocations()).toBe(before + 1);
  });

  test("disabling a person or revoking an operator lists their API keys in all companies, and revokes them on request", async () => {
    const [ours, theirs] = [await staffed(), await staffed()];
    const email =
      (await members.list(operator, ours.subdomain)).find(({ userId }) => userId === ours.admin.userId)
        ?.email ?? "";
    await members.add(operator, theirs.subdomain, { email, name: "Both", role: "admin" });
    const as: Caller = await secrets.authenticate({ headers: ours.admin.headers });
    const keys = [await make(as, ours.subdomain, "a"), await make(as, theirs.subdomain, "b")];
    const left = await users.disable(operator, ours.admin.userId);
    expect(left.apiKeys.map(({ name, companies }) => [name, ...companies])).toEqual([
      ["a", ours.subdomain],
      ["b", theirs.subdomain],
    ]);
    for (const key of keys) expect(await works(key)).toBe("no error");
    expect(await users.disable(operator, ours.admin.userId, { revokeApiKeys: true })).toMatchObject({
      apiKeys: left.apiKeys,
      revoked: true,
    });
    for (const key of keys) expect(await works(key)).toBe("UNAUTHENTICATED");
    await users.enable(operator, ours.admin.userId);
    for (const key of keys) expect(await works(key)).toBe("UNAUTHENTICATED");
    expect(await users.disable(operator, ours.admin.userId)).toEqual({ apiKeys: [], revoked: false });

    const { id, token } = await secrets.operators.create(operator, { name: "leaving", expiresAt });
    const leaving = await secrets.authenticate({ credential: token });
    const platform = { name: "p", platform: true, companies: [ours.subdomain, theirs.subdomain] } as const;
    const grant = { verbs: ["use"], secretKeys: ["*"], expiresAt } as const;
    const { apiKey } = await secrets.apiKeys.create(leaving, { ...platform, ...grant });
    expect(await secrets.operators.revoke(operator, id)).toMatchObject({
      apiKeys: [{ platform: true, companies: [ours.subdomain, theirs.subdomain] }],
      revoked: false,
    });
    expect(await works(apiKey)).toBe("no error");
    await secrets.operators.revoke(operator, id, { revokeApiKeys: true });
    expect(await works(apiKey)).toBe("UNAUTHENTICATED");
  });

  test("an API key created while its maker is removed is either listed or not created", async () => {
    const { subdomain, owner, admin } = await staffed();
    const another = fixture.another();
    const key = {
      platform: false,
      companies: [subdomain],
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt,
    } as const;
    const making = Array.from({ length: 20 }, (_, i) =>
      codeOf(another.apiKeys.create(admin, { ...key, name: `k${i}` })),
    );
    const { apiKeys } = await members.remove(owner, subdomain, { userId: admin.userId });
    const codes = await Promise.all(making);
    expect(codes.filter((code) => code === "no error")).toHaveLength(apiKeys.length);
    expect(codes.filter((code) => code !== "no error" && code !== "FORBIDDEN")).toEqual([]);
  });
});

describe("operations that grant access", () => {
  const soon = new Date(Date.now() + 3_600_000);
  const newKey = {
    name: "late",
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: soon,
  } as const;

  test("granting access requires the caller's current rights, not the cached authentication", async () => {
    const { subdomain, owner, admin, member } = await staffed();
    const companies = [subdomain];
    const attempts = (as: Person) => [
      secrets.apiKeys.create(as, { ...newKey, companies }),
      members.add(as, subdomain, newcomer("member")),
      members.change(as, subdomain, { userId: member.userId, role: "admin" }),
      members.remove(as, subdomain, { userId: member.userId }),
    ];
    await members.change(owner, subdomain, { userId: admin.userId, role: "auditor" });
    expect(await Promise.all(attempts(admin).map(codeOf))).toEqual(Array(4).fill("FORBIDDEN"));
    await members.remove(owner, subdomain, { userId: admin.userId });
    expect(await Promise.all(attempts(admin).map(codeOf))).toEqual(Array(4).fill("FORBIDDEN"));
    await users.disable(operator, owner.userId);
    expect(await Promise.all(attempts(owner).map(codeOf))).toEqual(Array(4).fill("UNAUTHENTICATED"));
    const made: Person = { ...owner, actor: { ...owner.actor, id: "nobody's id" } };
    expect(await Promise.all(attempts(made).map(codeOf))).toEqual(Array(4).fill("UNAUTHENTICATED"));
    const active =
      await superuser`select from api_keys k join companies c on c.id = k.company_id where subdomain = ${subdomain}`;
    expect(active).toHaveLength(0);
    expect(await rolesOf(subdomain)).toHaveProperty("size", 3);
  });

  test("granting access and revoking the operator who grants it are serialized", async () => {
    const subdomain = await fixture.company("database");
    const { id, token } = await secrets.operators.create(operator, { name: "leaving", expiresAt: soon });
    const leaving = await secrets.authenticate({ credential: token });
    const another = fixture.another();
    const create = () => codeOf(another.apiKeys.create(leaving, { ...newKey, companies: [subdomain] }));
    const many = Array.from({ length: 20 }, create);
    await secrets.operators.revoke(operator, id);
    const [seen] = await superuser`select count(*)::int as keys from api_keys where created_by_id = ${id}`;
    const codes = await Promise.all(many);
    expect(codes.filter((code) => code !== "no error" && code !== "UNAUTHENTICATED")).toEqual([]);
    // Access that did not exist when the revocation committed was not granted afterwards.
    expect(codes.filter((code) => code === "no error")).toHaveLength(Number(seen?.["keys"]));
    expect(await create()).toBe("UNAUTHENTICATED");
  });
});
