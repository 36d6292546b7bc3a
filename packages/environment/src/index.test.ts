import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { EnvironmentError, readEnvironment, type Variables } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "environment-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function fileOf(content: string): string {
  const path = join(folder, `${++files}`);
  writeFileSync(path, content);
  return path;
}

const shape = {
  TOKEN: z.string().min(8),
  PORT: z.coerce.number().int().default(3000),
  NOTE: z.string().optional(),
};
const read = (source: Variables) => readEnvironment(shape, source);

function problemsOf(attempt: () => unknown): string[] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof EnvironmentError)
      return error.message
        .split("\n")
        .slice(1, -1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

test("reads a variable, and what the schema makes of it", () => {
  expect(read({ TOKEN: "fake-token", PORT: "80", NOTE: "n" })).toEqual({
    TOKEN: "fake-token",
    PORT: 80,
    NOTE: "n",
  });
});

test("optional variables may be absent, defaults are filled in, and unlisted variables are ignored", () => {
  expect(read({ TOKEN: "fake-token", OTHER: "x", OTHER_FILE: "/nowhere" })).toEqual({
    TOKEN: "fake-token",
    PORT: 3000,
  });
});

describe("a variable in a file", () => {
  test("reads as the variable itself", () => {
    expect(read({ TOKEN_FILE: fileOf("fake-token"), PORT_FILE: fileOf("80\n") })).toEqual({
      TOKEN: "fake-token",
      PORT: 80,
    });
  });

  test.for([
    ["fake-token\n", "fake-token"],
    ["\ufefffake-token\r\n", "fake-token"],
    ["fake-token\r\n", "fake-token"],
    ["fake-token\n\n", "fake-token\n"],
    [" fake-token ", " fake-token "],
    ["fake\ntoken", "fake\ntoken"],
    ["pässwörd🔑", "pässwörd🔑"],
  ] as const)(
    "loses one line break at its end, a byte order mark and nothing else: %j",
    ([content, token]) => {
      expect(read({ TOKEN_FILE: fileOf(content) }).TOKEN).toBe(token);
    },
  );

  test("an empty variable is absent, and so is an empty file name", () => {
    for (const path of [fileOf(""), fileOf("\n"), ""]) {
      expect(problemsOf(() => read({ TOKEN_FILE: path }))).toEqual(["TOKEN is not set"]);
    }
  });

  test("has to be readable, even where the variable is optional", () => {
    for (const path of [join(folder, "none"), folder, "\0"]) {
      expect(problemsOf(() => read({ TOKEN: "fake-token", NOTE_FILE: path }))).toEqual([
        "NOTE cannot be read from the file that NOTE_FILE names",
      ]);
    }
  });

  test("has to be UTF-8: of another encoding it is refused by name", () => {
    for (const bytes of [Buffer.from("\ufefffake-token", "utf16le"), Buffer.from([0x66, 0xfc, 0x72])]) {
      const path = fileOf("");
      writeFileSync(path, bytes);
      expect(problemsOf(() => read({ TOKEN_FILE: path }))).toEqual([
        "TOKEN is not UTF-8 text in the file that TOKEN_FILE names",
      ]);
    }
  });

  test("may not be set together with the variable, even to the same", () => {
    expect(problemsOf(() => read({ TOKEN: "fake-token", TOKEN_FILE: fileOf("fake-token") }))).toEqual([
      "TOKEN and TOKEN_FILE are both set; keep one",
    ]);
  });

  test("is read when the variable is set but empty, and the variable when the name of the file is empty", () => {
    expect(read({ TOKEN: "", TOKEN_FILE: fileOf("from-the-file") }).TOKEN).toBe("from-the-file");
    expect(read({ TOKEN: "fake-token", TOKEN_FILE: "" }).TOKEN).toBe("fake-token");
  });
});

test("an empty variable is treated as absent", () => {
  expect(problemsOf(() => read({ TOKEN: "" }))).toEqual(["TOKEN is not set"]);
  expect(read({ TOKEN: "fake-token", PORT: "" }).PORT).toBe(3000);
});

test("names everything that is wrong at once, each variable once", () => {
  const several = {
    ...shape,
    CODE: z
      .string()
      .min(9)
      .regex(/^[0-9]+$/),
    KEY: z.string(),
  };
  const attempt = () => readEnvironment(several, { PORT: "many", CODE: "x", KEY_FILE: "/nowhere/at/all" });
  expect(problemsOf(attempt).toSorted()).toEqual([
    "CODE has a form that is not accepted",
    "KEY cannot be read from the file that KEY_FILE names",
    "PORT has a form that is not accepted",
    "TOKEN is not set",
  ]);
  expect(attempt).toThrow("See docs/configuration.md.");
});

test("keeps silent about no variable because another one, whose name begins like it, is wrong too", () => {
  const alike = { DATABASE_URL: z.string(), DATABASE_URL_READ: z.string() };
  expect(
    problemsOf(() => readEnvironment(alike, { DATABASE_URL_READ_FILE: "/nowhere/at/all" })).toSorted(),
  ).toEqual([
    "DATABASE_URL is not set",
    "DATABASE_URL_READ cannot be read from the file that DATABASE_URL_READ_FILE names",
  ]);
});

test("prints a rule of our own where a schema has one", () => {
  const own = { EVEN: z.string().refine((text) => Number(text) % 2 === 0, "has to be even") };
  expect(problemsOf(() => readEnvironment(own, { EVEN: "3" }))).toEqual(["EVEN has to be even"]);
});

test("never prints a value, whatever the schema says of it", () => {
  const value = "sk_test_fake_codewiser_0001";
  const strict = {
    A: z.enum(["dev", "prod"]),
    B: z.url(),
    C: z.literal("x"),
    D: z.string().max(3),
    E: z.coerce.number(),
    F: z.string().regex(/^[0-9]+$/),
    G: z.stringbool(),
  };
  for (const spell of [(name: string) => [name, value], (name: string) => [`${name}_FILE`, fileOf(value)]]) {
    const source: Variables = Object.fromEntries(Object.keys(strict).map(spell));
    const problems = problemsOf(() => readEnvironment(strict, source));
    expect(problems).toEqual(Object.keys(strict).map((name) => `${name} has a form that is not accepted`));
  }
});
