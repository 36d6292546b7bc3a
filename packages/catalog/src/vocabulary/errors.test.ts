import { expect, test } from "vitest";
import { errorCodes, forbidden, notFound, TenantSecretsError } from "./errors.ts";

test("an error carries its code and what the caller may do about it, and no cause", () => {
  const error = new TenantSecretsError("CONFLICT", "Another version.", {
    currentVersion: 0,
    retryAfterMs: 5,
  });
  expect(error).toMatchObject({
    name: "TenantSecretsError",
    code: "CONFLICT",
    currentVersion: 0,
    retryAfterMs: 5,
  });
  expect("cause" in error).toBe(false);
  expect(error.diagnosis).toBeUndefined();
});

test("NOT_FOUND is one text, whatever was not found", () => {
  expect(notFound()).toMatchObject({ code: "NOT_FOUND", message: notFound().message });
  expect(notFound.length).toBe(0);
});

test("FORBIDDEN names what was asked for", () => {
  expect(forbidden("reveal")).toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("may not reveal"),
  });
});

test("no code is listed twice", () => {
  expect(new Set(errorCodes).size).toBe(errorCodes.length);
});
