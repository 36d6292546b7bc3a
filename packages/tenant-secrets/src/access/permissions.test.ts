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

// Repeated here in full, so that a change of the table must be deliberate.
const table = [
  {
    who: "owner",
    actor: user("owner"),
    may: "describe use reveal export write rotate delete audit search members webhooks",
  },
  {
    who: "admin",
    actor: user("admin"),
    may: "describe use reveal export write rotate delete audit search members webhooks",
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

test("the test's table covers every kind of actor and every role", () => {
  expect(Object.keys(permissions)).toEqual(table.map(({ who }) => who));
});

test.for(cells)("$who, $verb: $allowed", ({ actor, verb, allowed }) => {
  expect(permits(actor, verb, { companyId: acme })).toBe(allowed);
  expect(permits(actor, verb, { companyId: acme, secretKey: "STRIPE_SECRET_KEY" })).toBe(allowed);
});

test("only people reveal values, and an operator neither reads nor writes any", () => {
  const revealing = table.filter(({ actor }) =>
    permits(actor, "reveal", { companyId: acme, secretKey: "STRIPE_SECRET_KEY" }),
  );
  expect(revealing.map(({ who }) => who)).toEqual(["owner", "admin"]);
  for (const verb of ["use", "reveal", "export", "write", "delete"] as const) {
    expect(permits(operator, verb, { companyId: acme, secretKey: "STRIPE_SECRET_KEY" })).toBe(false);
  }
});

test("the roles that create API keys have every verb of a key, except operators", () => {
  const makers = table.filter(({ actor }) => permits(actor, "members", { companyId: acme }));
  expect(makers.map(({ who }) => who)).toEqual(["owner", "admin", "operator"]);
  for (const { actor, who } of makers.filter((maker) => maker.who !== "operator")) {
    for (const verb of ApiKeyVerb.options)
      expect(permits(actor, verb, { companyId: acme }), `${who} ${verb}`).toBe(true);
  }
});

test("owners and operators give every role, admins every role but owner, and other actors none", () => {
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

describe("permissions across companies", () => {
  const strangers = table.filter(({ actor }) => actor.kind === "user" || actor.kind === "service");

  test.for(strangers)("$who may nothing, and does not learn that it exists", ({ actor }) => {
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: other }))).toEqual([]);
    expect(
      verbs.filter((verb) => permits(actor, verb, { companyId: other, secretKey: "STRIPE_SECRET_KEY" })),
    ).toEqual([]);
    expect(entersCompany(actor, other)).toBe(false);
    expect(entersCompany(actor, acme)).toBe(true);
  });

  test("a person has only the role of the company in question", () => {
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

  test("a key without companies and a person without memberships have no permission anywhere", () => {
    for (const actor of [
      service(everything, []),
      { kind: "user", id: "u", roles: new Map() } satisfies Actor,
    ]) {
      expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual([]);
      expect(entersCompany(actor, acme)).toBe(false);
    }
  });

  test("a platform key enters its listed companies, and jobs and operators enter every one", () => {
    expect(permits(service(everything, [other, acme]), "use", { companyId: acme, secretKey: "A" })).toBe(
      true,
    );
    expect([jobWith(everything), operator].every((actor) => entersCompany(actor, other))).toBe(true);
  });

  test("a partial or differently spelled company id does not match", () => {
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
  test("a grant permits only its verbs, limited to those of the actor's kind", () => {
    const actor = withGrant({ verbs: ["use"], secretKeys: ["*"] });
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual(["use"]);
  });

  test("a verb in a grant that the actor's kind lacks is not permitted", () => {
    const actor = withGrant({
      verbs: ["members", "audit", "reveal", "companies", "operators"],
      secretKeys: ["*"],
    });
    expect(verbs.filter((verb) => permits(actor, verb, { companyId: acme }))).toEqual([]);
    expect(permitsOnPlatform(actor, "members")).toBe(false);
  });

  test("a grant without verbs or without secret keys permits nothing", () => {
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

  test("a secret outside the grant's keys is NOT_FOUND like a missing one, and one inside is FORBIDDEN", () => {
    const outside = refusal(stripe, "use", "OAUTH_GOOGLE");
    expect([outside.code, outside.message]).toEqual([notFound().code, notFound().message]);
    expect(refusal(stripe, "delete", "OAUTH_GOOGLE").message).toBe(outside.message);
    expect(refusal(stripe, "delete", "STRIPE_SECRET_KEY").code).toBe("FORBIDDEN");
    expect(refusal(stripe, "members").code).toBe("FORBIDDEN");
  });
});

test("a person and an operator see every secret key, so that a denial is FORBIDDEN", () => {
  for (const actor of [user("member"), user("auditor"), operator]) {
    expect(covers(actor, "STRIPE_SECRET_KEY")).toBe(true);
    expect(refusal(actor, "reveal", "STRIPE_SECRET_KEY").code).toBe("FORBIDDEN");
  }
});

test("only operators have permissions on the platform", () => {
  for (const verb of ["companies", "operators", "members"] as const) {
    const allowed = table.filter(({ actor }) => permitsOnPlatform(actor, verb));
    expect(allowed.map(({ who }) => who)).toEqual(["operator"]);
  }
});
