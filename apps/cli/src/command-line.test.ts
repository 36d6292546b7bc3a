import { describe, expect, test } from "vitest";
import { expiryAfter } from "./arguments.ts";
import { commands } from "./commands.ts";
import { commandHelp, rootHelp } from "./help.ts";
import { printable, table } from "./output.ts";
import { cli, cliProcess, failing } from "./testing/run-cli.ts";

describe("help", () => {
  test(
    "is printed for the program, a group and a command, and documents the exit codes",
    { timeout: 60_000 },
    async () => {
      const [root, nothing, group, command] = await Promise.all([
        cliProcess(["--help"]),
        cli([]),
        cli(["companies"]),
        cli(["set", "--help"]),
      ]);
      expect(root).toEqual({ exitCode: 0, stdout: `${rootHelp(commands)}\n`, stderr: "" });
      for (const code of [0, 1, 2, 3, 4, 5, 6, 7])
        expect(root.stdout).toMatch(new RegExp(`^  ${code}  \\w`, "m"));
      expect(nothing).toEqual(root);
      expect(group.stdout).toMatch(/companies rename .*\n/);
      expect(command.stdout).toMatch(/One newline at the end is dropped/);
    },
  );

  test.each([...commands])(
    "of %s has examples of it, and explains every option",
    async (name, { load, summary }) => {
      const command = await load();
      const help = commandHelp(name, summary, command);
      expect(help).toMatch(new RegExp(`Examples:\\n[^]*pnpm secrets ${name}`));
      for (const option of Object.keys(command.options))
        expect(help).toMatch(new RegExp(`^  --${option}.*  \\w`, "m"));
    },
  );
});

const apiKey = ["api-keys", "create", "--company", "a", "--name", "n", "--secret-keys", "*"];

describe("arguments that do not fit", () => {
  test.each([
    [["lits"], 'Did you mean "list"?'],
    [["companies", "craete"], 'Did you mean "companies create"?'],
    [["company"], 'Did you mean "companies"?'],
    [["history", "CUSTOM_X", "--company", "a"], 'Did you mean "versions"?'],
    [["delete"], 'Did you mean "remove"?'],
    [["constructor"], "There is no such command."],
    [["__proto__", "toString"], "There is no such command."],
    [["get", "CUSTOM_X", "--compny", "acmecorp"], "There is no option --compny. Did you mean --company?"],
    [["get", "CUSTOM_X"], "--company <subdomain> is missing."],
    [["get", "CUSTOM_X", "--company"], "--company has no value."],
    [["get", "CUSTOM_X", "--company", "a", "--company", "b"], "--company is given twice."],
    [["get", "--company", "acmecorp"], "<secretKey> is missing."],
    [["list", "acmecorp", "--company", "acmecorp"], "too many arguments"],
    [["list", "--company", "acmecorp", "--json=yes"], "--json takes no value."],
    [
      ["set", "CUSTOM_X", "--company", "a", "--expected-version", "one"],
      "--expected-version is a version number",
    ],
    [["companies", "create", "acmecorp", "--store", "datbase"], "infisical, hybrid, database"],
    [
      ["api-keys", "create", "--company", "a", "--name", "n", "--verbs", "use"],
      "--secret-keys <patterns> is missing.",
    ],
    [[...apiKey, "--verbs", "reveal", "--expires-in", "1d"], "describe, use, write, delete, export"],
    [[...apiKey, "--verbs", "use"], "--expires-in <duration> is missing."],
    [["operators", "create", "alice", "--expires-in", "for ever"], "30m, 12h, 90d"],
  ])("%j are answered with what would", async (args, sentence) => {
    const failure = await failing(args);
    expect(failure).toMatchObject({ code: "USAGE", exitCode: 2, message: expect.stringContaining(sentence) });
  });

  test("are not repeated, because a value may be among them", async () => {
    const canary = "sk_test_fake_canary_0001";
    const wrong = [
      [canary],
      ["get", "X", `--${canary}`],
      ["get", "X", `-${canary}`],
      ["list", `--json=${canary}`],
    ];
    for (const args of wrong) {
      const { code, message } = await failing(args);
      expect(code).toBe("USAGE");
      expect(message).not.toContain(canary);
    }
  });

  test("are reported as JSON with --json", async () => {
    const { exitCode, stderr } = await cli(["list", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stderr)).toEqual({
      error: { code: "USAGE", message: "--company <subdomain> is missing." },
    });
  });
});

test("a duration is minutes, hours or days from now", () => {
  const lengths = ["30m", "12h", "90d"].map((text) =>
    Math.round((expiryAfter(text).getTime() - Date.now()) / 60_000),
  );
  expect(lengths).toEqual([30, 720, 129_600]);
  for (const text of ["", "90", "0d", "-1d", "1.5h", "90D", "1y", "90d "]) {
    expect(() => expiryAfter(text)).toThrow("--expires-in");
  }
});

test("what would act on a terminal is shown as it is written in JSON, and JSON that is escaped so stays equal", () => {
  const text = 'a\u001b[2J\u009b\u202e\u200d\u{e0001}\r\n\ud800"\\é👩';
  expect(printable(text)).toBe('a\\u001b[2J\\u009b\\u202e\\u200d\\udb40\\udc01\\u000d\\u000a\\ud800"\\é👩');
  expect(printable(text, "\n")).toContain("\n");
  expect(JSON.parse(printable(JSON.stringify({ text })))).toEqual({ text });
});

test("a table keeps its columns, whatever is in the cells", () => {
  expect(
    table(
      ["A", "B"],
      [
        ["one\nline", "x"],
        ["two", ""],
      ],
    ),
  ).toBe("A              B\none\\u000aline  x\ntwo");
});
