import { expect, test } from "vitest";
import { ApiKeyVerb, systemCaller, verbs } from "./actor.ts";

test("an API key can be given five verbs, and none that reaches members, audit, values on a screen or the platform", () => {
  expect(verbs.filter((verb) => ApiKeyVerb.safeParse(verb).success)).toEqual([
    "describe",
    "use",
    "export",
    "write",
    "delete",
  ]);
});

test("a job is known by its name and has the grant that it was given", () => {
  const grant = { verbs: ["use"], secretKeys: ["STRIPE_*"] } as const;
  expect(systemCaller("payments", grant)).toEqual({ actor: { kind: "job", id: "payments", grant } });
});
