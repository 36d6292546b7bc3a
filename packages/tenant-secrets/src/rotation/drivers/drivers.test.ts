import { describe, expect, test } from "vitest";
import { defineCatalog, TenantSecretsError, textSecret } from "@repo/catalog";
import { z } from "zod";
import { DriverError } from "./driver-error.ts";
import { getDriver, parseSettings, requireDrivers, rotationDrivers } from "./drivers.ts";
import { generated } from "./generated.ts";
import { isMarker, markerOf, markerPrefix } from "./marker.ts";

const drivers = rotationDrivers();
const catalogOf = (rotation: { readonly driver: string; readonly settings?: unknown }) =>
  defineCatalog({ OWN: textSecret(z.string(), { label: "x", rule: "x", rotation }) });

describe("drivers of a catalogue", () => {
  test("a driver that an entry names must exist at startup, and take the entry's settings", () => {
    expect(() => requireDrivers(catalogOf({ driver: "generated" }), drivers)).not.toThrow();
    const settings = { length: 32, alphabet: "0123456789abcdef" };
    expect(() => requireDrivers(catalogOf({ driver: "generated", settings }), drivers)).not.toThrow();
    expect(() => requireDrivers(catalogOf({ driver: "acme" }), drivers)).toThrow(
      'the rotation driver "acme"',
    );
    expect(() => requireDrivers(catalogOf({ driver: "toString" }), drivers)).toThrow(TypeError);
    const other = catalogOf({ driver: "generated", settings: { length: 1 } });
    expect(() => requireDrivers(other, drivers)).toThrow("has settings that");
  });

  test("a driver is given under its own name", () => {
    expect(() => requireDrivers(catalogOf({ driver: "own" }), { own: generated })).toThrow(
      'The driver "generated" is given as "own"',
    );
  });

  test("a driver that is none is not supported, also one with a name of every object", () => {
    expect(getDriver(drivers, "generated")).toBe(generated);
    for (const name of ["acme", "constructor", "__proto__"]) {
      expect(() => getDriver(drivers, name)).toThrow(TenantSecretsError);
    }
  });

  test("settings that a driver does not take are named, and not quoted", () => {
    const refusal = () => parseSettings(generated, { form: "sk_test_fake_0001", ["sk_test_fake_0002"]: 1 });
    expect(refusal).toThrow(expect.objectContaining({ code: "INVALID_INPUT", fields: ["settings"] }));
    expect(refusal).not.toThrow(/fake/);
  });
});

test("markers of a run have its prefix, and those of other runs another one", () => {
  const run = "0192f0a1-7b3c-7def-8123-456789abcdef";
  expect(markerOf(run, 2)).toBe("ts-456789abcdef-2");
  expect(markerOf(run, 2).startsWith(markerPrefix(run))).toBe(true);
  expect(isMarker(markerOf(run, 12))).toBe(true);
  for (const name of ["ts-456789abcdef-", "ts-456789abcdef-2 copy", "production", "xts-456789abcdef-2"]) {
    expect(isMarker(name)).toBe(false);
  }
});

test("an error of a driver has a fixed sentence and no cause", () => {
  const error = new DriverError("transient", { retryAfterMs: 5000 });
  expect(error).toMatchObject({ code: "transient", retryAfterMs: 5000 });
  expect("cause" in error).toBe(false);
  expect(new DriverError("limit").message).not.toBe(error.message);
});
