import type { ApiAnswers, ApiInputs } from "@repo/tenant-secrets/client";
import { expectTypeOf, test } from "vitest";
import type { Api } from "./api.ts";

type Client = Api["clients"]["person"];

// The type check of this package runs these, so that a field renamed in the router stops the build of the pages that show it.
test("a field of the router is a field here, and one that it has not is a type error", () => {
  type Secret = ApiAnswers["secrets"]["list"]["secrets"][number];
  expectTypeOf<Secret["secretKey"]>().toEqualTypeOf<string>();
  expectTypeOf<Secret["version"]>().toEqualTypeOf<number>();
  expectTypeOf<Secret["updatedAt"]>().toEqualTypeOf<Date>();
  expectTypeOf<ApiInputs["secrets"]["reveal"]>().toHaveProperty("purpose");
  expectTypeOf<Awaited<ReturnType<Client["secrets"]["reveal"]["mutate"]>>["value"]>().toEqualTypeOf<string>();
  // @ts-expect-error -- no secret of a list has a value
  expectTypeOf<Secret["value"]>().toEqualTypeOf<string>();
  // @ts-expect-error -- a value is asked for by a mutation, so that no query keeps it
  expectTypeOf<Client["secrets"]["reveal"]["query"]>().toBeFunction();
});
