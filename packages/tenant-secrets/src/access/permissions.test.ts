import { describe, expect, test } from "vitest";
import { type Actor, ApiKeyVerb, type Grant, systemCaller, notFound, Role, verbs } from "@repo/catalog";
import { companyIdOf } from "../companies/company-id.ts";
import {
  covers,
  entersCompany,
  givesRole,
  permissions,
  permits,
  permitsOnPlatform,
  refusal,
} from "./permissions.ts";

const acme = companyIdOf({ id: "0198c0de-5eed-7a11-8bad-0ddba11c0ffe" });
const other = companyIdOf({ id: "0198c0de-5eed-7a11-8bad-0ddba11c0fff" });
const everything: Grant = { verbs, secretKeys: ["*"] };

const user = (role: Role): Actor => ({ kind: "user", id: "u", roles: new Map([[acme, role]]) });
const service = (grant: Grant, companyIds = [acme]): Actor => ({
  kind: "service",
  id: "s",
  companyIds,
  grant,
});
const jobWith = (grant: Grant): Actor => systemCaller("j", grant).actor;
const operator: Actor = { kind: "operator", id: "o" };

// Spelt out once more, so that a change of the table has to be meant.
const table = [
  {
    who: "owner",
    actor: user("owner"),
    may: "describe use reveal export write rotate delete audit search members",
  },
  {
    who: "admin",
    actor: user("admin"),
    may: "describe use reveal export write rotate delete audit search members",
  },
  { who: "member", actor: user("member"), may: "describe use write" },
  { who: "auditor", actor: user("auditor"), may: "describe audit" },
  { who: "service", actor: service(everything), may: "describe use export write delete" },
  { who: "job", actor: jobWith(everything), may: "describe use write rotate delete" },
  { who: "operator", actor: operator, may: "describe rotate audit search members companies operators" },
];
const cells = table.flatMap(({ who, actor, may }) =>
  verbs.map((verb) => ({ who, actor, verb, allowed: may.split(" ").includes(verb) })),
);

test("the table has a row for each kind of actor and each role, and this test walks all of them", () => {
  expect(Object.keys(permissions)).toEqual(table.map(({ who }) => who));
});

test.for(cells)("$who, $verb: $allowed", ({ actor, verb, allowed }) => {
  expect(permits(actor, verb, { companyId: acme })).toBe(allowed);
  expect(permits(actor, verb, { companyId: acme, secretKey: "STRIPE_SECRET_KEY" })).toBe(allowed);
});

test("nobody but a person reveals, and an operator reads and writes no value at all", () => {
  const revealing = table.filter(({ actor }) =>
    permits(actor, "reveal", { companyId: acme, secretKey: "STRIPE_SECRET_KEY" }),
  );
  expect(revealing.map(({ who }) => who)).toEqual(["owner", "admin"]);
  for (const verb of ["use", "reveal", "export", "write", "delete"] as const) {
    expect(permits(operator, verb, { companyId: acme, secretKey: "STRIPE_SECRET_KEY" })).toBe(false);
  }
});

test("whoever makes API keys may do all that a key can, so that no scope is stronger than its maker, but for operators", () => {
  const makers = table.filter(({ actor }) => permits(actor, "members", { companyId: acme }));
  expect(makers.map(({ who }) => who)).toEqual(["owner", "admin", "operator"]);
  for (const { actor, who } of makers.filter((maker) => maker.who !== "operator")) {
    for (const verb of ApiKeyVerb.options)
      expect(permits(actor, verb, { companyId: acme }), `${who} ${verb}`).toBe(true);
  }
});

test("roles are given by owners and operators, all but an owner's by admins, and by nobody else", () => {
  const given = table.map(({ who, actor }) => [
    who,
    Role.options.filter((role) => givesRole(actor, acme, role)),
    Role.options.filter((role) => givesRole(actor, other, role)),
  ]);
  const all = Role.options;
  expect(given.filter(([, here]) => here?.length !== 0)).toEqual([
    ["owner", all, []],
    ["admin", all.filter((role) => role !== "owner"), []],
    ["operator", all, all],
  ]);
});

describe("in a company that is not theirs", () => {
  const strangers = table.filter(({ actor }) => actor.kind === "user" || actor.kind === "service");

  test.for(strangers)("$who may nothing, and does not learn that it exists", ({ actor }) => {
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: other }))).toEqual([]);
    expect(
      verbs.filter((verb) => permits(actor, verb, { companyId: other, secretKey: "STRIPE_SECRET_KEY" })),
    ).toEqual([]);
    expect(entersCompany(actor, other)).toBe(false);
    expect(entersCompany(actor, acme)).toBe(true);
  });

  test("a person has the role of that company, and not the one of another", () => {
    const both: Actor = {
      kind: "user",
      id: "u",
      roles: new Map([
        [acme, "owner"],
        [other, "auditor"],
      ]),
    };
    expect(permits(both, "reveal", { companyId: acme })).toBe(true);
    expect(permits(both, "reveal", { companyId: other })).toBe(false);
    expect(permits(both, "audit", { companyId: other })).toBe(true);
  });

  test("a key of no company, and a person of none, may nothing anywhere", () => {
    for (const actor of [
      service(everything, []),
      { kind: "user", id: "u", roles: new Map() } satisfies Actor,
    ]) {
      expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual([]);
      expect(entersCompany(actor, acme)).toBe(false);
    }
  });

  test("a platform key enters the companies of its list, a job and an operator every one", () => {
    expect(permits(service(everything, [other, acme]), "use", { companyId: acme, secretKey: "A" })).toBe(
      true,
    );
    expect([jobWith(everything), operator].every((actor) => entersCompany(actor, other))).toBe(true);
  });

  test("no part of an id is the id", () => {
    for (const id of ["", acme.slice(0, -1), `${acme} `, acme.toUpperCase()]) {
      expect(entersCompany(service(everything), id)).toBe(false);
      expect(entersCompany(user("owner"), id)).toBe(false);
    }
  });
});

describe.for([
  { kind: "a service", withGrant: service },
  { kind: "a job", withGrant: jobWith },
])("$kind", ({ withGrant }) => {
  test("may only what its grant says, of what its kind may", () => {
    const actor = withGrant({ verbs: ["use"], secretKeys: ["*"] });
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual(["use"]);
  });

  test("gains nothing from a verb in its grant that its kind may not", () => {
    const actor = withGrant({
      verbs: ["members", "audit", "reveal", "companies", "operators"],
      secretKeys: ["*"],
    });
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual([]);
    expect(permitsOnPlatform(actor, "members")).toBe(false);
  });

  test("may nothing without a verb, and nothing to a secret without a pattern", () => {
    const noVerbs = withGrant({ verbs: [], secretKeys: ["*"] });
    expect(verbs.filter((verb) => permits(noVerbs, verb, { companyId: acme, secretKey: "A" }))).toEqual([]);
    const noKeys = withGrant({ verbs, secretKeys: [] });
    expect(verbs.filter((verb) => permits(noKeys, verb, { companyId: acme, secretKey: "A" }))).toEqual([]);
  });

  const stripe = withGrant({ verbs: ["use"], secretKeys: ["STRIPE_*", "SENDGRID_API_KEY"] });

  test.for([
    ["STRIPE_SECRET_KEY", true],
    ["SENDGRID_API_KEY", true],
    ["SENDGRID_API_KEY_2", false],
    ["OAUTH_GOOGLE", false],
    ["stripe_secret_key", false],
    ["*", false],
  ] as const)("with a grant on STRIPE_* and SENDGRID_API_KEY, %s: %s", ([secretKey, allowed]) => {
    expect(permits(stripe, "use", { companyId: acme, secretKey })).toBe(allowed);
    expect(covers(stripe, secretKey)).toBe(allowed);
  });

  test("is told NOT_FOUND, as for a missing one, of a secret outside its names, and FORBIDDEN of one inside", () => {
    const outside = refusal(stripe, "use", "OAUTH_GOOGLE");
    expect([outside.code, outside.message]).toEqual([notFound().code, notFound().message]);
    expect(refusal(stripe, "delete", "OAUTH_GOOGLE").message).toBe(outside.message);
    expect(refusal(stripe, "delete", "STRIPE_SECRET_KEY").code).toBe("FORBIDDEN");
    expect(refusal(stripe, "members").code).toBe("FORBIDDEN");
  });
});

test("a person and an operator see every name, so that what they may not do is FORBIDDEN", () => {
  for (const actor of [user("member"), user("auditor"), operator]) {
    expect(covers(actor, "STRIPE_SECRET_KEY")).toBe(true);
    expect(refusal(actor, "reveal", "STRIPE_SECRET_KEY").code).toBe("FORBIDDEN");
  }
});

test("the platform itself is the operators' alone", () => {
  for (const verb of ["companies", "operators", "members"] as const) {
    const allowed = table.filter(({ actor }) => permitsOnPlatform(actor, verb));
    expect(allowed.map(({ who }) => who)).toEqual(["operator"]);
  }
});
