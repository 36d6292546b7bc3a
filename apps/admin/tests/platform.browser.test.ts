import { operator } from "@repo/hono-api/testing";
import { linkIn } from "@repo/mail/inbox";
import type { Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { createWorld, expectAccessible, expectNoOverflow, screenshot, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const addresses = [
  "/platform/companies",
  "/platform/companies/new",
  "/platform/companies/acmecorp",
  "/platform/approvals",
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
  await page.getByRole("row", { name: /olga@newcompany\.example.*Owner.*Invited/ }).waitFor();

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

it("T60 no operator page or answer holds a value or a hint, and reveal by hand is refused", async () => {
  const value = world.canary("sk_test_fake_operators_see_no_9f41");
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
    expect(await page.locator("body").textContent()).not.toContain("9f41");
  }
  const texts = await Promise.all(answers);
  expect(texts.length).toBeGreaterThanOrEqual(addresses.length);
  expect(texts.filter((text) => text.includes("9f41") || text.includes("lastFour"))).toEqual([]);
  const refused = await page.evaluate(async () => {
    const response = await fetch("/trpc/secrets.reveal", {
      method: "POST",
      headers: { "content-type": "application/json", "tenant-secrets-as": "operator" },
      body: JSON.stringify({
        json: { company: "another-company", secretKey: "STRIPE_SECRET_KEY", purpose: "incident" },
      }),
    });
    return response.text();
  });
  expect(refused).toContain('"reason":"FORBIDDEN"');
  const [event] = await world.events("secret.reveal");
  expect(event).toMatchObject({ actorKind: "operator", outcome: "denied", secretKey: "STRIPE_SECRET_KEY" });
  expect(watch.refused).toEqual(["/trpc/secrets.reveal"]);
  watch.refused.length = 0;
});

it.each(["light", "dark"] as const)(
  "each operator page fits each window, and axe finds nothing, in %s",
  async (colorScheme) => {
    const { companies } = world.backends.secrets.admin;
    const secretStore = "hybrid";
    await companies.create(operator, {
      subdomain: `${colorScheme}-${"long-name-".repeat(5)}company`,
      secretStore,
    });
    const { page, open } = await world.operator({ colorScheme });
    for (const address of addresses) {
      await page.setViewportSize({ width: 1280, height: 800 });
      await open(address);
      await page.waitForLoadState("networkidle");
      await expectAccessible(page);
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 800 });
        await expectNoOverflow(page);
        await screenshot(page, `${address.slice(1).replaceAll("/", "-")}-${colorScheme}-${width}`);
      }
    }
  },
);

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
