import { connectDatabase, type Database } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { startWebhookReceiver, type WebhookReceiver } from "@repo/providers/webhook-receiver";
import type { Page } from "playwright-core";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
let receiver: WebhookReceiver;
let database: Database;
beforeAll(async () => {
  receiver = await startWebhookReceiver();
  whenDone(() => receiver.stop());
  world = await createWorld({ OUTBOUND_ALLOW: new URL(receiver.url).host });
  const { superuserUrl } = world.backends.database;
  database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  whenDone(() => database.close());
});

beforeEach(() => receiver.faults.clear());

const patience = { timeout: 60_000, interval: 250 };
const rowOf = (page: Page, text: string) => page.getByRole("row").filter({ hasText: text });
const received = (path: string) => receiver.deliveries().filter((delivery) => delivery.path === path);

/** Fills the form of a new endpoint. @returns its secret */
async function add(page: Page, url: string): Promise<string> {
  await page.getByRole("link", { name: "New endpoint" }).click();
  await page.getByLabel("Address").fill(url);
  await page.getByRole("button", { name: "Add the endpoint" }).click();
  return shownSecret(page);
}

/** The secret that the page shows this once. From then on no page may keep it. */
async function shownSecret(page: Page): Promise<string> {
  await page.getByText("It is shown this once").waitFor();
  const secret = (await page.locator("main code").first().textContent()) ?? "";
  expect(secret).toMatch(/^whsec_/);
  return world.canary(secret);
}

async function keep(page: Page): Promise<void> {
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("heading", { level: 2, name: "Deliveries" }).waitFor();
}

async function choose(page: Page, item: string): Promise<void> {
  await page.getByRole("button", { name: "Actions for this endpoint" }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

/** Asks until the page shows it. */
async function refreshUntil(page: Page, isShown: () => Promise<boolean>): Promise<void> {
  const look = async (): Promise<boolean> => {
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
    return isShown();
  };
  await expect.poll(look, patience).toBe(true);
}

async function sendTest(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Send a test" }).click();
  const test = page.getByRole("dialog", { name: "Test" });
  await test.getByText("The test arrived").waitFor();
  await page.keyboard.press("Escape");
  await test.waitFor({ state: "hidden" });
}

it("an endpoint answers its test, gets changes signed, and is sent again what was given up", async () => {
  const { page, open, person } = await world.admin("acmecorp");
  await open("/c/acmecorp/webhooks");
  const path = `/acmecorp-${crypto.randomUUID()}`;
  const secret = await add(page, receiver.url + path);
  await page.getByRole("link", { name: "People" }).click();
  const leaving = page.getByRole("alertdialog", { name: "Have you copied the secret?" });
  await leaving.getByRole("button", { name: "Cancel" }).click();
  await keep(page);
  const endpoint = page.url().split("/").at(-1) ?? "";
  const publicKey = (await page.getByText(/^whpk_/).textContent()) ?? "";
  receiver.trust({ secret, publicKey });
  await sendTest(page);
  await page.getByText("Active", { exact: true }).waitFor();
  expect(received(path).at(-1)).toMatchObject({ v1: "ok", v1a: "ok" });
  expect((await world.events("webhook.create"))[0]).toMatchObject({
    actorId: person.userId,
    subject: endpoint,
  });

  const secrets = (await world.client("acmecorp")).company("acmecorp");
  const secretKey = `CUSTOM_HOOKED_${Date.now()}` as const;
  await secrets.set(secretKey, world.canary("fake-value-that-no-notification-has"));
  const created = () => received(path).find(({ body }) => body.includes("secret.created"));
  await expect.poll(created, patience).toMatchObject({ v1: "ok", v1a: "ok" });
  await refreshUntil(page, () => rowOf(page, "secret.created").getByText("204").isVisible());
  await page.getByRole("button", { name: "A secret was added" }).click();
  const details = page.getByRole("dialog", { name: "A secret was added" });
  await details.getByText(`"secretKey": "${secretKey}"`).waitFor();
  await expectAccessible(page);
  await screenshot(page, "webhooks-delivery-light-1280");
  await details.getByRole("button", { name: "Send again" }).click();
  const first = created()?.id;
  const sameAgain = () => received(path).filter(({ id }) => id === first).length;
  await expect.poll(sameAgain, patience).toBe(2);

  receiver.faults.add({ fault: "status", status: 500, path, times: "always" });
  await secrets.remove(secretKey);
  const removed = rowOf(page, "secret.removed");
  await refreshUntil(page, () => removed.getByText("500").isVisible());
  await removed.getByText("Waiting").waitFor();
  await refreshUntil(page, async () => {
    // As ten attempts do, in three days.
    await database.outsideCompanies((sql) =>
      sql.unsafe(
        // One that is under way would be put back by what comes of it.
        "update webhook_deliveries set state = 'dead', finished_at = now() where type = 'secret.removed' and lease_until is null",
      ),
    );
    return removed.getByText("Given up").isVisible();
  });
  for (const look of looks) {
    await takeLook(page, look);
    await expectNoOverflow(page);
    await expectAccessible(page);
    await screenshot(page, `webhooks-endpoint-${look[0]}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByLabel("State").selectOption("Parked");
  await page.getByText("No delivery is in this state").waitFor();
  await page.getByLabel("State").selectOption("Given up");
  await removed.waitFor();
  expect(await rowOf(page, "secret.created").count()).toBe(0);
  receiver.faults.clear();
  await page.getByRole("button", { name: "Send again what was given up" }).click();
  const again = page.getByRole("dialog", { name: "Send again what was given up" });
  await again.getByRole("button", { name: "Send again", exact: true }).click();
  await page.getByText("1 delivery is sent again").first().waitFor();
  await page.getByLabel("State").selectOption("Delivered");
  await refreshUntil(page, () => removed.getByText("204").isVisible());

  const foreign = await world.admin("codewiser");
  await foreign.open(`/c/codewiser/webhooks/${endpoint}`);
  await foreign.page.getByRole("heading", { level: 1, name: "Not here, or not yours" }).waitFor();
  const member = await world.member("acmecorp");
  await member.open("/c/acmecorp/webhooks");
  await member.page.getByRole("heading", { level: 1, name: "Not here, or not yours" }).waitFor();
  expect(await member.page.getByRole("link", { name: "Webhooks" }).count()).toBe(0);
  expect((await world.events("webhook.list")).filter(({ outcome }) => outcome === "denied")).toEqual([]);
});

it("an endpoint of the platform is changed, paused, rolled and removed by an operator", async () => {
  const { page, open } = await world.operator({ confirmed: true });
  await open("/platform/webhooks");
  const secret = await add(page, `${receiver.url}/platform`);
  await keep(page);
  receiver.trust({ secret });
  await sendTest(page);

  await choose(page, "Edit…");
  const edit = page.getByRole("dialog", { name: "Edit the endpoint" });
  await edit.getByLabel("Description").fill("Keys of the platform");
  await edit.getByRole("radio", { name: "Those that I pick" }).click();
  await edit.getByRole("button", { name: "Save" }).click();
  await edit.getByText("Pick at least one.").waitFor();
  await edit.getByLabel("A key was rotated").click();
  await expectAccessible(page);
  await edit.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { level: 1, name: "Keys of the platform" }).waitFor();

  await choose(page, "Pause…");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByText("Its notifications wait until it is resumed.").waitFor();
  await choose(page, "Resume…");
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await page.getByText("Active", { exact: true }).waitFor();

  await choose(page, "Roll the secret…");
  await page.getByRole("button", { name: "Make the next secret" }).click();
  expect(await shownSecret(page)).not.toBe(secret);
  await page.getByText("The secret before it signs as well until").waitFor();
  await keep(page);
  await page.getByText("Signs as well until").waitFor();
  await sendTest(page);
  expect(received("/platform").at(-1)?.signatures?.match(/v1,/g)).toHaveLength(2);
  await choose(page, "Roll the secret…");
  const next = page.getByRole("button", { name: "Make the next secret" });
  expect(await next.isDisabled()).toBe(true);
  await page.getByLabel("End the overlap of the last roll").click();
  expect(await next.isDisabled()).toBe(false);
  await page.keyboard.press("Escape");

  await page.getByRole("link", { name: "Webhooks" }).last().click();
  await rowOf(page, "Keys of the platform").getByText("A key was rotated").waitFor();
  await expectAccessible(page);
  await screenshot(page, "webhooks-platform-light-1280");
  await rowOf(page, "Keys of the platform").getByRole("link").click();
  await choose(page, "Remove…");
  const removal = page.getByRole("alertdialog", { name: "Remove Keys of the platform?" });
  await removal.getByRole("button", { name: "Remove" }).click();
  await page.getByText("No endpoint yet").waitFor();
  expect(new URL(page.url()).pathname).toBe("/platform/webhooks");
});
