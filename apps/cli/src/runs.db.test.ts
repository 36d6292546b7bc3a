import { connectDatabase } from "@repo/db";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Outcome } from "./testing/run-cli.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});

const run = (...args: readonly string[]): Promise<Outcome> => cli(["runs", ...args], fixture.remote);

/** A rotation of a company's key that waits for a job, in which three values are to be sealed. */
async function startRun(subdomain: string): Promise<string> {
  const { secrets } = fixture;
  await secrets.admin.companies.create(operator, { subdomain, secretStore: "database" });
  const company = secrets.company(subdomain, product);
  await company.setMany({ CUSTOM_A: "a", CUSTOM_B: "b", CUSTOM_C: "c" });
  await secrets.admin.companyKeyRotation.requestRotation(operator, subdomain);
  const [newest] = await secrets.admin.runs.list(operator, { limit: 1 });
  return newest?.id ?? "";
}

test("a run is listed, shown, paused, resumed and done, each with how far it is", async () => {
  const id = await startRun("acmecorp");
  const began = String.raw`\d{4}-\S+ \S+Z`;
  const waiting = `${id}  rotate-company-key  acmecorp  waiting  reencrypt \\(0 of 3\\)  ${began}`;
  expect((await run("list", "--unfinished")).stdout).toMatch(new RegExp(`^RUN .*\n${waiting}\n$`));
  const shown = await run("show", id);
  expect(shown.stdout).toMatch(/^State +waiting$/m);
  expect(shown.stdout).toMatch(/^Asked for by +operator test-operator$/m);
  expect((await run("pause", id)).stdout).toBe(
    'Paused in the phase "reencrypt" (0 of 3). "runs resume" continues it.\n',
  );
  const job = fixture.secrets.admin.runs.work["rotate-company-key"];
  await job?.(id, new AbortController().signal);
  expect(JSON.parse((await run("show", id, "--json")).stdout)).toMatchObject({
    state: "paused",
    done: 0,
    total: 3,
  });
  expect((await run("resume", id)).stdout).toBe('Resumed in the phase "reencrypt" (0 of 3).\n');
  await job?.(id, new AbortController().signal);
  expect((await run("list")).stdout).toMatch(/ {2}done {2}/);
  expect(JSON.parse((await run("list", "--unfinished", "--json")).stdout)).toEqual({ runs: [] });
  expect(await fixture.secrets.company("acmecorp", product).get("CUSTOM_C")).toBe("c");
  const late = failing(["runs", "pause", id], fixture.remote);
  expect(await late).toMatchObject({
    exitCode: 5,
    code: "CONFLICT",
    message: expect.stringContaining("is done"),
  });
});

test("a run that waits says until when, and a rotation that another process drives is told as one", async () => {
  const id = await startRun("initech");
  const { superuserUrl } = fixture;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  onTestFinished(() => database.close());
  const change = (changes: string) =>
    database.outsideCompanies((sql) => sql.unsafe(`update runs set ${changes} where id = '${id}'`));
  await change("not_before = '2030-01-02 03:04Z'");
  expect((await run("show", id)).stdout).toMatch(/^State +waiting until 2030-01-02 03:04Z$/m);
  await change(
    "not_before = null, lease_until = now() + interval '1 hour', lease_holder = gen_random_uuid()",
  );
  const { stdout } = await cli(["keys", "rotate-company", "initech"], {
    ...fixture.local,
    TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken,
  });
  expect(stdout).toBe(
    `Another process puts everything of initech under its key 2: "runs show ${id}" shows how far it is. If that process dies, run this again.\n`,
  );
  await change("lease_until = now()");
  await fixture.secrets.admin.runs.work["rotate-company-key"]?.(id, new AbortController().signal);
});

test("a run is cancelled, a page of runs begins where another ended, and a wrong id is told", async () => {
  const [first, second] = [await startRun("codewiser"), await startRun("globex")];
  const page = JSON.parse((await run("list", "--limit", "1", "--json")).stdout);
  expect(page.runs).toMatchObject([{ id: second }]);
  const next = JSON.parse((await run("list", "--limit", "1", "--before", second, "--json")).stdout);
  expect(next.runs).toMatchObject([{ id: first }]);
  expect((await run("cancel", first)).stdout).toBe(
    'Cancelled in the phase "reencrypt" (0 of 3). Finished steps stay.\n',
  );
  await fixture.secrets.admin.runs.work["rotate-company-key"]?.(first, new AbortController().signal);
  expect((await run("show", first)).stdout).toMatch(/^State +cancelled$/m);
  const strange = failing(["runs", "show", crypto.randomUUID()], fixture.remote);
  expect(await strange).toMatchObject({ exitCode: 3, code: "NOT_FOUND" });
  expect(await failing(["runs", "list", "--limit", "0"], fixture.remote)).toMatchObject({ exitCode: 2 });
});
