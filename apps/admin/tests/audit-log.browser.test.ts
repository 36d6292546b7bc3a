import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { whenDone } from "@repo/db/testing";
import { operator } from "@repo/hono-api/testing";
import { wire } from "@repo/tenant-secrets/client";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, expectNoOverflow, type PersonAtPage, type WatchedPage, type World } from "./world.ts";

const company = "acmecorp";
const address = `/c/${company}/audit-log`;
const stripe = "STRIPE_SECRET_KEY";
const twilio = "CUSTOM_TWILIO_TOKEN";

let world: World;
/** Reads the audit log in all tests: each sign-in costs a busy machine a second. */
let lou: PersonAtPage;
beforeAll(async () => {
  world = await createWorld();
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey: twilio, value: "fake_twilio_token_0001" });
  lou = await world.auditor(company);
});

const events = (page: Page) => page.getByRole("table", { name: "Events" });
const rows = (page: Page) => events(page).getByRole("row");
/** The list has so many events. */
async function expectEvents(page: Page, number: number): Promise<void> {
  await rows(page)
    .nth(number + 1)
    .waitFor({ state: "detached" });
  await rows(page).nth(number).waitFor();
}

/** A count of the chart, which is also the button that lists what it counts. */
const count = (page: Page, word: RegExp) => page.getByRole("button", { name: word });
const opened = (page: Page) => page.getByRole("dialog");

/** Makes a call of the API as the person at the page. @returns the status of the answer */
function call({ page }: WatchedPage, procedure: string, input: object): Promise<number> {
  return page.evaluate(
    async ([to = "", body = ""]) => {
      const headers = { "content-type": "application/json" };
      return (await fetch(`/trpc/${to}`, { method: "POST", headers, body })).status;
    },
    [procedure, JSON.stringify(wire.input.serialize(input))],
  );
}

/** Until all events up to now are sealed: then the counts have them, and an export has them. */
async function sealed(): Promise<void> {
  const { audit } = world.backends.secrets.admin;
  const now = Date.now();
  await expect
    .poll(async () => Number((await audit.proof(operator, { company })).sealed?.at ?? 0), { timeout: 60_000 })
    .toBeGreaterThan(now + 1000);
}

/** The events of the company as the operator's own list has them. */
async function allEvents() {
  const { audit } = world.backends.secrets.admin;
  const { events: found } = await audit.list(operator, { company, limit: 100 });
  return found;
}

it("T44 Finds who revealed a key last week, in 3 clicks", async () => {
  const mia = await world.admin(company);
  await mia.open("/companies");
  for (const secretKey of [stripe, twilio]) {
    const status = await call(mia, "secrets.reveal", { company, secretKey, purpose: "incident" });
    expect(status).toBe(200);
  }
  await sealed();

  const { page, open } = lou;
  await open(address);
  await count(page, /^2 reveals$/).click();
  await page.getByRole("button", { name: "Secret", exact: true }).click();
  await page.getByRole("button", { name: stripe, exact: true }).click();
  await expectEvents(page, 1);
  const name = mia.person.email.replace(/^pat-(\w+)@.*/, "Pat $1");
  expect(await rows(page).nth(1).innerText()).toMatch(
    new RegExp(`${name}[^]*Reveal a value[^]*${stripe}[^]*Done[^]*For an incident`),
  );
  const { searchParams } = new URL(page.url());
  expect(Object.fromEntries(searchParams)).toEqual({ action: "reveals", outcome: "success", secret: stripe });

  const found = (await allEvents()).filter(
    ({ action, secretKey }) => action === "secret.reveal" && secretKey === stripe,
  );
  expect(found.map(({ actorId }) => actorId)).toEqual([mia.person.userId]);

  // A colleague who gets the address sees the same.
  await mia.open(page.url().slice(world.url.length));
  await expectEvents(mia.page, 1);
});

it("T45 A refused attempt stands out and says why", async () => {
  const mia = await world.member(company);
  await mia.open("/companies");
  const reveal = { company, secretKey: stripe, purpose: "debugging" };
  expect(await call(mia, "secrets.reveal", reveal)).toBe(403);
  mia.watch.refused.length = 0;

  const { page, open } = lou;
  await open(address);
  const row = rows(page).filter({ hasText: "Refused" }).first();
  await row.getByText("Their role or key does not include it").waitFor();
  const [event] = await world.events("secret.reveal");
  expect(event).toMatchObject({ actorId: mia.person.userId, outcome: "denied", reason: "FORBIDDEN" });
  const colours = await row.getByText("Refused").evaluate((badge) => {
    const ofRoot = getComputedStyle(document.documentElement);
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = ofRoot.getPropertyValue("--danger");
    const danger = getComputedStyle(probe).color;
    probe.remove();
    return { danger, badge: getComputedStyle(badge).color };
  });
  expect(colours.badge).toBe(colours.danger);

  await row.getByRole("button", { name: "Reveal a value" }).click();
  await opened(page).getByText("FORBIDDEN").waitFor();
  await opened(page).getByRole("button", { name: "Copy the request id" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Who", exact: true }).click();
  const field = page.getByLabel("Name, or another id");
  await field.press("ControlOrMeta+V");
  expect(await field.inputValue()).toBe(event?.requestId);
  await page.evaluate(() => navigator.clipboard.writeText(""));
  await page.keyboard.press("Escape");
  await row.getByRole("button", { name: "Reveal a value" }).click();
  await opened(page).getByRole("button", { name: "Only who this was" }).click();
  await page.waitForURL(/actor=/);
  await expectEvents(page, 1);
  expect(new URL(page.url()).searchParams.get("actor")).toBe(mia.person.userId);
  await page.getByRole("button", { name: "Take the filter away: Who" }).click();
  await page.waitForURL(world.url + address);
});

it("T46 Exports a day; `secrets audit verify-export` accepts the file", async () => {
  const pat = await world.admin(company);
  const { page } = pat;
  await sealed();
  await pat.open(address);
  await page.getByRole("button", { name: "Export…" }).click();
  const today = await page.getByLabel("Last day").inputValue();
  await page.getByLabel("First day").fill(today);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ]);
  const directory = await mkdtemp(path.join(tmpdir(), "tenant-secrets-test-"));
  whenDone(() => rm(directory, { recursive: true, force: true }));
  const file = path.join(directory, download.suggestedFilename());
  const keys = path.join(directory, "audit-keys.pem");
  await download.saveAs(file);
  await writeFile(keys, await world.backends.secrets.admin.audit.publicKeys(operator));

  const said = await opened(page)
    .getByText(/ events are in the file$/)
    .innerText();
  const number = Number(/^\d+/.exec(said));
  expect(number).toBeGreaterThanOrEqual(3);
  // The command as the page tells it.
  const command = await opened(page)
    .getByText(/^pnpm secrets audit verify-export/)
    .innerText();
  expect(command).toBe(
    `pnpm secrets audit verify-export ${download.suggestedFilename()} --public-key audit-keys.pem`,
  );
  const verify = async () => {
    const main = path.resolve(import.meta.dirname, "../../cli/src/main.ts");
    const words = command.replace("pnpm secrets ", "").split(" ");
    return promisify(execFile)(process.execPath, [main, ...words], { cwd: directory });
  };
  expect((await verify()).stdout).toMatch(
    new RegExp(`^${number} events of company .*: each is as it was sealed`),
  );

  const text = await readFile(file, "utf8");
  expect(text).toContain(twilio);
  await writeFile(file, text.replace(twilio, `${twilio}_X`));
  await expect(verify()).rejects.toMatchObject({ stderr: expect.stringContaining("not as it was sealed") });
  const [event] = await world.events("audit.export");
  expect(event).toMatchObject({ actorId: pat.person.userId, outcome: "success" });
  expect(
    await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name)),
  ).not.toContain(expect.stringMatching(/^blob:/));
});

describe("what people wrote", () => {
  const script = `<img src="/none" onerror="document.title='ran'">`;

  it("T47 Stored script in notes, names, user agents is text", async () => {
    const { secrets } = world.backends;
    const member = { email: "script@acmecorp.example", name: `${script} Pat`, role: "admin" as const };
    const { userId } = await secrets.admin.members.add(operator, company, member);
    const { apiKey } = await secrets.admin.apiKeys.create(operator, {
      name: `${script} key`,
      companies: [company],
      platform: false,
      verbs: ["describe", "write"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    expect(userId).not.toBe("");
    const headers = {
      authorization: `Bearer ${apiKey}`,
      "content-type": "application/json",
      "user-agent": script,
      "x-request-id": "<script>document.title='ran'</script>",
    };
    for (const input of [
      { company, secretKey: twilio, value: "fake_twilio_token_0002", note: script },
      { company, secretKey: script, value: "fake" },
    ]) {
      const body = JSON.stringify(wire.input.serialize(input));
      await fetch(`${world.url}/trpc/secrets.write`, { method: "POST", headers, body });
    }

    const { page, open } = lou;
    await open(address);
    const written = rows(page).filter({ hasText: `${script} key` });
    await written.first().waitFor();
    expect(await written.count()).toBe(2);
    await written.first().getByRole("button").first().click();
    await opened(page).getByText(`${script} key`).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Who", exact: true }).click();
    await page.getByRole("button", { name: `${script} key` }).waitFor();
    await page.goto(
      `${world.url}${address}?secret=${encodeURIComponent(script)}&actor=${encodeURIComponent(script)}`,
    );
    await page.getByText("No event fits").waitFor();
    expect(await page.locator("img, iframe").count()).toBe(0);
    expect(await page.title()).toBe("Audit log · Tenant Secrets");
  });
});

it("T48 Filter without a match: header stays", async () => {
  const { page, open } = lou;
  await open(`${address}?secret=CUSTOM_NEVER_THERE&action=secret.purge`);
  await page.getByRole("heading", { name: "No event fits" }).waitFor();
  for (const header of ["Time", "Who", "What", "Secret", "Outcome", "Address"]) {
    await events(page).getByRole("columnheader", { name: header, exact: true }).waitFor();
  }
  await page.getByRole("button", { name: "Secret: CUSTOM_NEVER_THERE" }).waitFor();
  await page.getByRole("button", { name: "What: Destroy a removed secret" }).waitFor();
  await page.getByRole("main").getByRole("button", { name: "Clear filters" }).last().click();
  await rows(page).nth(2).waitFor();
  expect(new URL(page.url()).search).toBe("");
});

it("T49 Chart and table agree with `audit.list` counts, reads that were counted together included", async () => {
  const { trpc } = await world.client(company);
  await Promise.all(
    Array.from({ length: 7 }, () => trpc.secrets.read.mutate({ company, secretKey: stripe })),
  );
  await sealed();
  const listed = await allEvents();
  const reads = listed.filter(({ action, outcome }) => action === "secret.read" && outcome === "success");
  const total = reads.reduce((sum, event) => sum + event.count, 0);
  expect(total).toBe(7);
  expect(reads.length).toBeLessThan(7);

  const { page, open } = lou;
  await open(`${address}?last=24h`);
  await count(page, /^7 reads$/).click();
  await expectEvents(page, reads.length);
  const texts = await rows(page).allInnerTexts();
  const shown = texts.slice(1).map((text) => Number(/× (\d+)/.exec(text)?.[1] ?? 1));
  expect(shown.reduce((sum, each) => sum + each, 0)).toBe(7);

  // What a screen reader hears of the bars.
  const table = page.getByRole("table", { name: /^How much was done/ });
  const cells = await table.getByRole("row").allInnerTexts();
  const column = cells.slice(1).map((text) => Number(text.split("\t")[1]));
  expect(column.reduce((sum, each) => sum + each, 0)).toBe(7);

  // A bar shows its time alone, and going back shows all again.
  const bar = page.getByRole("toolbar").getByRole("button", { name: /: 7 reads/ });
  await bar.click();
  await page.waitForURL(/from=/);
  await count(page, /^7 reads$/).waitFor();
  await page.goBack();
  await page.waitForURL(/last=24h/);
});

it("the bars of days are those of the person's time zone, and of a longer time those of UTC, as the page says", async () => {
  const { page, open } = await world.auditor(company, { timezoneId: "Pacific/Kiritimati" });
  await open(`${address}?last=30d`);
  await page.getByText("A bar is one day, from midnight to midnight in Pacific/Kiritimati.").waitFor();
  const last = page.getByRole("toolbar").getByRole("button").last();
  const days = (timeZone: string) =>
    new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone });
  // Fourteen hours before UTC, so that most of the day it is another one.
  const today = days("Pacific/Kiritimati").format(new Date());
  expect(await last.getAttribute("aria-label")).toContain(`Only ${today}: `);
  await open(`${address}?last=90d`);
  await page.getByText("A bar is 2 days, from midnight to midnight in UTC.").waitFor();
  expect(await last.getAttribute("aria-label")).toContain(`${days("UTC").format(new Date())} (UTC)`);
});

it("a member is told who can read it, and nothing is asked", async () => {
  const { page, open } = await world.member(company);
  await open(address);
  await page.getByText("Owners, admins and auditors can read it").waitFor();
  expect(await page.getByRole("link", { name: "Audit log" }).count()).toBe(0);
});

it.each(looks)("the page fits in %s, and axe finds nothing, also in what opens", async (name, options) => {
  const { page, open } = lou;
  const { width } = options.viewport;
  await takeLook(page, [name, options]);
  const shoot = (part: string) => screenshot(page, `audit-log-${part}-${name}`);
  await open(address);
  await page.getByText("Sealed up to").waitFor();
  await page
    .getByRole("button", { name: "Show older" })
    .or(page.getByText("Read the audit log").last())
    .first()
    .waitFor();
  await expectAccessible(page);
  await expectNoOverflow(page);
  if (width > 1000) {
    const what = await page.getByRole("columnheader", { name: "What" }).boundingBox();
    // Most actions stand in one line of it.
    expect(what?.width).toBeGreaterThanOrEqual(220);
  }
  await shoot("list");
  await page.getByRole("button", { name: "What", exact: true }).click();
  await shoot("filter");
  await page.keyboard.press("Escape");
  await rows(page)
    .or(page.getByRole("list", { name: "Events" }).getByRole("listitem"))
    .last()
    .getByRole("button")
    .first()
    .click();
  await opened(page).waitFor();
  await shoot("event");
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "How to check it yourself" }).click();
  await shoot("proof");
  const steps = await opened(page).getByRole("listitem").all();
  expect(steps).toHaveLength(3);
  // Anything else has no number.
  for (const step of steps) {
    expect(await step.evaluate((item) => getComputedStyle(item).display)).toBe("list-item");
  }
  await page.keyboard.press("Escape");
  await open(`${address}?secret=CUSTOM_NEVER_THERE`);
  await page.getByRole("heading", { name: "No event fits" }).waitFor();
  await shoot("no-match");
});
