import { connectDatabase } from "@repo/db";
import { beforeAll, expect, test, vi } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, printed } from "./testing/run-cli.ts";

const key = "CUSTOM_SIGNING_SECRET";
const policy = ["set", key, "--driver", "generated"];
const settingOf = (options: string) => (options.startsWith("--driver") ? ["set", key] : policy);

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await valueOf().set(key, "whsec_fake_of_a_person");
});

const valueOf = () => fixture.secrets.company("acmecorp", product);
const line = (...args: readonly string[]) => ["rotation", ...args, "--company", "acmecorp"];
const run = (...args: readonly string[]) => printed(line(...args), fixture.remote);
const json = async (...args: readonly string[]) => JSON.parse((await run(...args, "--json")).stdout);
const refused = (...args: readonly string[]) => failing(line(...args), fixture.remote);

/** Drives a run as its jobs do, until it waits or is over. */
const drive = (id: string) =>
  fixture.secrets.admin.runs.work["rotate-secret"]?.(id, new AbortController().signal);
const unfinished = async (): Promise<string> => {
  const [found] = await fixture.secrets.admin.runs.list(operator, {
    kind: "rotate-secret",
    unfinished: true,
    limit: 1,
  });
  if (found === undefined) throw new Error("no rotation is under way");
  return found.id;
};

test("a secret is rotated now, which is followed to its end, shown and listed", async () => {
  const set = await run(...policy, "--every", "P30D", "--at", "03:00", "--zone", "Europe/Berlin");
  expect(set.stdout).toMatch(
    /^CUSTOM_SIGNING_SECRET of acmecorp is rotated by the driver generated\. It is due/,
  );

  const waiting = run("now", key, "--urgent", "--purpose", "incident", "--wait");
  await drive(await vi.waitFor(unfinished, 60_000));
  const { stdout, stderr } = await waiting;
  expect(stdout).toMatch(/^[\w-]{36}\n$/);
  expect(stderr).toMatch(/^CUSTOM_SIGNING_SECRET: rotated$/m);
  const id = stdout.trim();
  const value = await valueOf().get(key);
  expect(value).toMatch(/^whsec_/);
  expect(value).not.toContain("fake");
  expect(stdout + stderr).not.toContain(value);

  expect((await run("show")).stdout).toMatch(
    new RegExp(
      String.raw`^SECRET .*\n${key} +generated +every P30D, at 03:00, Europe/Berlin +\S+ \S+Z +active +rotated ${id}\n$`,
    ),
  );
  expect((await run("runs", key)).stdout).toMatch(
    new RegExp(String.raw`\n${id} +${key} +generated +asked, urgent +\S+ \S+Z +rotated\n$`),
  );
  expect((await run("run", id)).stdout).toMatch(/^Replaces +version 1\nNext +version 2$/m);
  expect(await json("runs", "--unfinished")).toEqual({ runs: [] });
});

test("a rotation that is aborted changes nothing, and waiting for it fails", async () => {
  await run(...policy);
  const before = await valueOf().get(key);
  const { run: id } = await json("now", key);
  await drive(id);
  expect((await run("run", id)).stdout).toMatch(/^State +lead, waiting until .*\n(?:.*\n)*Allows +abort$/m);
  expect(await refused("remove", key, "--yes")).toMatchObject({ code: "CONFLICT", exitCode: 5 });
  expect(await refused("fall-back", id)).toMatchObject({ code: "CONFLICT", exitCode: 5 });
  expect(await refused("confirm", id)).toMatchObject({ code: "CONFLICT", exitCode: 5 });

  expect((await run("abort", id)).stdout).toMatch(/^Aborted\./);
  const told = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  const waiting = refused("now", key, "--wait");
  // It follows this run: asked when this one is over, it would begin another one.
  await vi.waitFor(() => expect(told).toHaveBeenCalled(), 60_000);
  told.mockRestore();
  await drive(id);
  expect(await waiting).toMatchObject({
    exitCode: 1,
    message: 'The secret was not rotated: the run is at "failed: ABORTED".',
  });
  expect(await valueOf().get(key)).toBe(before);
  expect((await run("remove", key, "--yes")).stdout).toBe(`${key} of acmecorp is rotated no more.\n`);
  expect((await run("show")).stdout).toBe('There is none: "rotation set" makes one.\n');
});

test("a credential that is left at the provider is listed until a person says that it has ended", async () => {
  await run(...policy);
  const marker = "ts-0123456789ab-1";
  const { superuserUrl } = fixture;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  await database.outsideCompanies((statements) =>
    statements.unsafe(`
      insert into rotation_credentials (company_id, secret_key, marker, run_id, state)
      select id, '${key}', '${marker}', gen_random_uuid(), 'orphan' from companies where subdomain = 'acmecorp'`),
  );
  await database.close();
  const told = `Credentials of ${key} may be left at its provider: ${marker}.\n`;
  expect((await run("show")).stderr).toBe(told);
  expect(await refused("end-orphan", key, "ts-0123456789ab-2")).toMatchObject({ code: "NOT_FOUND" });
  expect((await run("show")).stderr).toBe(told);
  expect((await run("end-orphan", key, marker)).stdout).toBe(`${marker} is listed no more.\n`);
  expect((await run("show")).stderr).toBe("");
  expect(await json("end-orphan", key, marker)).toEqual({
    company: "acmecorp",
    secretKey: key,
    marker,
    ended: true,
  });
});

test("a policy has the canary that it was set with", async () => {
  await run(...policy, "--canary", "10%", "--canary-for", "1h");
  expect((await json("show")).policies).toMatchObject([{ canary: { percent: 10, seconds: 3600 } }]);
  await run(...policy);
  expect((await json("show")).policies[0]).not.toHaveProperty("canary");
});

test("a policy is paused and resumed", async () => {
  await run(...policy, "--every", "P30D");
  const environment = { ...fixture.remote, TENANT_SECRETS_API_KEY: await fixture.apiKey(["acmecorp"]) };
  const list = async () => (await printed(["list", "--company", "acmecorp"], environment)).stdout;
  expect(await list()).toMatch(/^SECRET KEY .* CHECK +ROTATION *\n.* due \d{4}-\S+ \S+Z *$/m);
  expect((await run("pause", key)).stdout).toMatch(/^Paused\./);
  expect((await json("show")).policies).toMatchObject([{ state: "paused" }]);
  expect(await list()).toMatch(/ paused *$/m);
  expect((await run("resume", key)).stdout).toMatch(/^Resumed\. It is due next at \d{4}-/);
  expect((await run("resume", key)).stdout).toMatch(/^Resumed\./);
});

test("all that an emergency rotation lists is rotated at once, and what has no policy is named", async () => {
  const all = ["now", "--all-compromised"];
  expect((await run(...all)).stdout).toBe(
    'There was no emergency rotation: "keys emergency-rotate" makes the list.\n',
  );
  for (const [more, message] of [
    [[key], "--all-compromised takes no secret, --urgent or --wait."],
    [["--wait"], "--all-compromised takes no secret, --urgent or --wait."],
    [["--purpose", "curiosity"], "--purpose is one of set-up, debugging, incident, hand-over."],
  ] as const)
    expect(await refused(...all, ...more)).toMatchObject({ exitCode: 2, message });
  expect(await refused("now")).toMatchObject({ exitCode: 2 });
  expect(await refused("now", key, "--urgent")).toMatchObject({
    exitCode: 2,
    message: "--urgent needs a --purpose.",
  });

  await run(...policy);
  await valueOf().set("CUSTOM_UNROTATED", "fake");
  await fixture.secrets.admin.emergencyRotation(operator, {
    rotation: { backup: () => Promise.resolve("sha256:fake"), timeoutMs: 5000 },
    revokeCredentials: false,
  });
  const { stdout, stderr } = await run(...all, "--purpose", "incident");
  expect(stdout).toMatch(new RegExp(String.raw`^RUN +SECRET *\n[\w-]{36} +${key} *\n$`));
  expect(stderr).toMatch(/^Replace these by hand, since they have no policy: CUSTOM_UNROTATED\.$/m);
  expect((await json(...all)).runs).toEqual([
    { secretKey: key, run: stdout.match(/[\w-]{36}/)?.[0], person: false },
  ]);
  const id = await unfinished();
  await run("abort", id);
  await drive(id);
});

test.each([
  ["--every P0,5D", "--every is a duration in weeks, days, hours and minutes, such as P30D or PT12H."],
  ["--every PT5M", "The schedule was refused: --every is between 1 hour and 400 days."],
  [
    "--every P1D --overlap 2d",
    "The schedule was refused: the time between two rotations is at least as long as the overlap.",
  ],
  ["--every P30D --at 03:00", "--zone is needed beside --cron, --at and --window."],
  [
    "--every P30D --zone Europe/Atlantis",
    "The schedule was refused: --zone is a name in the time zone database, such as Europe/Berlin.",
  ],
  [
    "--before-expiry 7d",
    "--before-expiry is a duration in weeks, days, hours and minutes, such as P30D or PT12H.",
  ],
  ["--zone Europe/Berlin", "A schedule has at least one of --every, --cron and --before-expiry."],
  ["--settings {length:32}", '--settings is a JSON object: {"length":32}.'],
  ["--canary 60%", "--canary is a share of 1% to 50% of the uses, such as 10%."],
  ["--canary 10", "--canary is a share of 1% to 50% of the uses, such as 10%."],
  ["--canary-for 10m", "--canary-for is for what --canary begins."],
  ["--driver courier", "This deployment has no rotation driver of this name."],
] as const)("%s is refused, in the words of the command line", async (options, message) => {
  expect(await refused(...settingOf(options), ...options.split(" "))).toMatchObject({ exitCode: 2, message });
});

test("a value that a person made comes from standard input, with an API key", async () => {
  await run("set", key, "--driver", "guided", "--settings", '{"provider":"any"}');
  const { run: id } = await json("now", key);
  await drive(id);
  const shown = (await run("run", id)).stdout;
  expect(shown).toMatch(/\n {2}1\. /);
  expect(shown).toContain(`Then: pnpm secrets rotation supply ${id} --company acmecorp\n`);
  expect(await refused("now", key, "--wait")).toMatchObject({
    exitCode: 1,
    message: `The rotation waits for a person: "rotation run ${id} --company acmecorp" shows the steps.`,
  });
  const environment = { ...fixture.remote, TENANT_SECRETS_API_KEY: await fixture.apiKey(["acmecorp"]) };
  const supply = line("supply", id, "--same-account");
  expect(await cli(supply, environment, "fake-next\n")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^Version \d is pending\./),
  });
  await drive(id);
  expect(await valueOf().get(key)).toBe("fake-next");
});
