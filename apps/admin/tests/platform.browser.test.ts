import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { operator } from "@repo/hono-api/testing";
import { linkIn } from "@repo/mail/inbox";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { screenshot } from "./looks.ts";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const addresses = [
  "/platform/companies",
  "/platform/companies/new",
  "/platform/companies/acmecorp",
  "/platform/keys",
  "/platform/migrations",
  "/platform/regions",
  "/platform/audit-log",
  "/platform/search",
  "/platform/runs",
  "/platform/approvals",
  "/platform/system",
  "/platform/people",
];

it("T56 an operator creates a company, and invites its owner", async () => {
  const { page, open } = await world.operator();
  await open("/platform");
  await heading(page, "Companies");
  await page.getByRole("link", { name: "New company" }).click();
  await page.getByLabel("Subdomain").fill("Bad name");
  await page.getByRole("button", { name: "Create company" }).click();
  await page.getByText("A subdomain has 1 to 63 lower-case letters").waitFor();
  await page.getByLabel("Subdomain").fill("newcompany");
  await page.getByRole("button", { name: "Create company" }).click();
  await heading(page, "newcompany");
  await page.getByRole("button", { name: "Invite the owner" }).click();
  await page.getByLabel("E-mail").fill("olga@newcompany.example");
  await page.getByRole("button", { name: "Send the invitation" }).click();
  await page.getByRole("row", { name: /olga@newcompany\.example Invited Owner/ }).waitFor();

  const mail = await world.inbox.mailTo("olga@newcompany.example");
  expect(linkIn(mail)).toContain(`${world.url}/invitation#`);
  const made = await world.backends.secrets.admin.companies.get(operator, "newcompany");
  expect(made).toMatchObject({ secretStore: "database", status: "active" });
  const invited = (await world.events("invitation.create")).find(({ companyId }) => companyId === made.id);
  expect(invited).toMatchObject({ outcome: "success", actorKind: "operator" });
});

it("an operator renames a company, changes its recovery window, suspends and resumes it", async () => {
  const { page, open } = await world.operator();
  const { companies } = world.backends.secrets.admin;
  await companies.create(operator, { subdomain: "old-name", secretStore: "database" });
  await open("/platform/companies/old-name");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Subdomain").fill("new-name");
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await heading(page, "new-name");
  expect(page.url()).toBe(`${world.url}/platform/companies/new-name`);
  await page.getByRole("button", { name: "Change" }).click();
  await page.getByLabel("Days").fill("14");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("restored for 14 days").waitFor();
  await page.getByRole("button", { name: "Suspend…" }).click();
  await page.getByRole("button", { name: "Suspend", exact: true }).click();
  await page.getByText("This company is suspended").waitFor();
  expect(await companies.get(operator, "new-name")).toMatchObject({ status: "suspended", recoveryDays: 14 });
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Suspend…" }).waitFor();
  expect(await companies.get(operator, "new-name")).toMatchObject({ status: "active" });
});

it("T59 shredding takes two operators, and leaves a receipt that the command line verifies", async () => {
  const { companies, shredding } = world.backends.secrets.admin;
  await companies.create(operator, { subdomain: "leaving", secretStore: "database" });
  const asks = await world.operator();
  const answers = await world.operator();
  await asks.open("/platform/companies/leaving");
  const shred = async (): Promise<void> => {
    await asks.page.getByRole("button", { name: "Shred…" }).click();
    const dialog = asks.page.getByRole("dialog");
    const button = dialog.getByRole("button", { name: "Shred leaving" });
    await dialog.getByLabel("Type leaving to go on").fill("leavin");
    expect(await button.isDisabled()).toBe(true);
    await dialog.getByLabel("Type leaving to go on").fill("leaving");
    await button.click();
  };
  await shred();
  await asks.page.getByText("Another operator has to approve this").waitFor();
  expect(await companies.get(operator, "leaving")).toMatchObject({ shreddedAt: undefined });

  // The same person, in another browser.
  const again = await world.signedIn(asks.person);
  await again.open("/platform/approvals");
  const request = { name: "Shred leaving" };
  await again.page.getByRole("article", request).getByText("You asked for this").waitFor();
  expect(await again.page.getByRole("button", { name: "Approve…" }).count()).toBe(0);
  const [asked] = await world.events("approval.request");
  const refusal = await callByHand(again.page, "approvals.give", { approval: asked?.subject });
  expect(refusal).toContain('"reason":"FORBIDDEN"');
  await expect.poll(() => again.watch.refused).toEqual(["/trpc/approvals.give"]);
  again.watch.refused.length = 0;

  await answers.open("/platform/approvals");
  await answers.page.getByRole("article", request).getByRole("button", { name: "Approve…" }).click();
  await answers.page.getByRole("button", { name: "Approve", exact: true }).click();
  await answers.page.getByRole("article", request).getByText("Approved", { exact: true }).waitFor();
  await asks.page.getByRole("button", { name: "Close" }).first().click();
  const download = asks.page.waitForEvent("download");
  await shred();
  const file = await (await download).path();
  await asks.page.getByText("Its keys were destroyed").waitFor();

  const directory = await mkdtemp(path.join(tmpdir(), "receipt-"));
  whenDone(() => rm(directory, { recursive: true }));
  const publicKey = path.join(directory, "key.pem");
  await writeFile(publicKey, await shredding.publicKey(operator));
  const verified = await promisify(execFile)(process.execPath, [
    path.join(import.meta.dirname, "../../cli/src/main.ts"),
    "keys",
    "verify-receipt",
    "--input",
    file,
    "--public-key",
    publicKey,
  ]);
  expect(verified.stdout).toContain("The receipt is genuine.");
  expect((await world.events("key.shred")).map(({ outcome }) => outcome)).toContain("success");
});

it("T60 no operator page or answer holds a value or a hint, and reveal by hand is refused", async () => {
  const value = world.canary("sk_test_fake_operators_see_no_zq7x");
  const client = await world.client("another-company");
  await client.company("another-company").set("STRIPE_SECRET_KEY", value);
  const { page, open, watch } = await world.operator();
  const answers: Promise<string>[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname.startsWith("/trpc/")) answers.push(response.text().catch(() => ""));
  });
  for (const address of addresses) {
    await open(address.replace("acmecorp", "another-company"));
    await page.waitForLoadState("networkidle");
    expect(await page.locator("body").textContent()).not.toContain("zq7x");
  }
  const texts = await Promise.all(answers);
  expect(texts.length).toBeGreaterThanOrEqual(addresses.length);
  expect(texts.filter((text) => text.includes("zq7x") || text.includes("lastFour"))).toEqual([]);
  const secret = { company: "another-company", secretKey: "STRIPE_SECRET_KEY" };
  const refused = await callByHand(page, "secrets.reveal", { ...secret, purpose: "incident" });
  expect(refused).toContain('"reason":"FORBIDDEN"');
  const [event] = await world.events("secret.reveal");
  expect(event).toMatchObject({ actorKind: "operator", outcome: "denied", secretKey: "STRIPE_SECRET_KEY" });
  await expect.poll(() => watch.refused).toEqual(["/trpc/secrets.reveal"]);
  watch.refused.length = 0;
});

it("T63 an operator resets the second factor of a person, whose sessions end", async () => {
  const lost = await world.admin("acmecorp");
  await lost.open("/c/acmecorp/secrets");
  const { page, open } = await world.operator();
  await open("/platform/people");
  const { email, userId } = lost.person;
  await page.getByLabel("Search people").fill(email);
  const row = page.getByRole("row", { name: email });
  await row.getByText("Yes").waitFor();
  await row.getByRole("button", { name: `Actions for ${email}` }).click();
  await page.getByRole("menuitem", { name: "Reset the second factor…" }).click();
  await page.getByRole("button", { name: "Reset the second factor" }).click();
  await row.getByText("None").waitFor();
  const [event] = await world.events("factor.reset");
  expect(event).toMatchObject({ outcome: "success", actorKind: "operator", subject: userId });
  await lost.page.reload();
  await lost.page.waitForURL(`${world.url}/sign-in`);
});

it("T62 pages say that the database does not answer, and recover by themselves", async () => {
  const { superuserUrl } = world.backends.database;
  // A superuser is not counted among the connections that are allowed.
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  whenDone(() => database.close());
  const allow = async (connections: number): Promise<void> => {
    const limit = `do $$ begin execute format('alter database %I connection limit ${connections}', current_database()); end $$`;
    await database.acrossCompanies((statements) => statements.execute(limit));
  };
  const { page, open } = await world.operator();
  await open("/platform/system");
  await page.getByText("All works").waitFor();
  await page.getByRole("heading", { name: "Processes" }).waitFor();
  await allow(0);
  await database.acrossCompanies((statements) =>
    statements.execute(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename <> current_user",
    ),
  );
  await page.getByText("The database does not answer").waitFor();
  await screenshot(page, "platform-outage-light-1280");
  await page.getByRole("link", { name: "Approvals" }).click();
  await page.getByText("The database does not answer").waitFor();
  await allow(-1);
  await page.getByText("The database does not answer").waitFor({ state: "hidden" });
  await page.getByRole("heading", { name: "Earlier requests" }).waitFor();
  await page.getByRole("link", { name: "System" }).click();
  await page.getByText("All works").waitFor();
  expect(await page.getByText("The database does not answer").count()).toBe(0);
});

it("a person who is no operator finds no operator page", async () => {
  const { page, open } = await world.owner("acmecorp");
  for (const address of addresses) {
    await open(address);
    await heading(page, "Not here, or not yours");
  }
  expect(await page.getByText("Operator – no values").count()).toBe(0);
});

async function heading(page: Page, name: string): Promise<void> {
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

/** Calls the API past the page, as the operator. @returns the answer */
async function callByHand(page: Page, procedure: string, input: object): Promise<string> {
  return page.evaluate(
    async ([name, json]) => {
      const response = await fetch(`/trpc/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json", "tenant-secrets-as": "operator" },
        body: `{"json":${json}}`,
      });
      return response.text();
    },
    [procedure, JSON.stringify(input)],
  );
}
