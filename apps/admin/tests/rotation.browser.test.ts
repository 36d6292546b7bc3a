import { connectDatabase, type Database } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { operator } from "@repo/hono-api/testing";
import { startLocalSendgrid, type LocalSendgrid } from "@repo/providers/sendgrid";
import { startLocalStripe, type LocalStripe } from "@repo/providers/stripe";
import type { Page } from "playwright-core";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
let sendgrid: LocalSendgrid;
let stripe: LocalStripe;
let database: Database;
beforeAll(async () => {
  [sendgrid, stripe] = await Promise.all([startLocalSendgrid(), startLocalStripe()]);
  whenDone(() => sendgrid.stop());
  whenDone(() => stripe.stop());
  world = await createWorld({
    SENDGRID_API_URL: sendgrid.url,
    STRIPE_API_URL: stripe.url,
    OUTBOUND_ALLOW: [sendgrid.url, stripe.url].map((url) => new URL(url).host).join(","),
  });
  const { superuserUrl } = world.backends.database;
  database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  whenDone(() => database.close());
});

const company = "acmecorp";
const patience = { timeout: 60_000, interval: 500 };
const sql = (text: string) => database.outsideCompanies((statements) => statements.unsafe(text));

beforeEach(async () => {
  sendgrid.faults.clear();
  stripe.faults.clear();
  await sql("delete from rotation_policies");
  await sql("update runs set state = 'cancelled', finished_at = now() where finished_at is null");
});

const rowOf = (page: Page, text: string) => page.getByRole("row").filter({ hasText: text });
const state = (page: Page, word: string) =>
  page.locator("header [data-badge]").getByText(word, { exact: true });
const step = (page: Page, words: string) => page.locator("[aria-current=step]").getByText(words);

/** What waits is due now, until the page shows something. */
async function hurryUntil(isShown: () => Promise<boolean>): Promise<void> {
  const look = async (): Promise<boolean> => {
    await sql(
      "update runs set not_before = now() where not_before > now() and phase in ('test', 'watch', 'retire', 'confirm')",
    );
    await sql(
      "update graphile_worker._private_jobs set run_at = now() where run_at > now() and locked_at is null",
    );
    return isShown();
  };
  await expect.poll(look, patience).toBe(true);
}

/** A value of the secret that no page may keep. */
async function has(secretKey: string, value: string): Promise<void> {
  const secrets = (await world.client(company)).company(company);
  await secrets.set(
    secretKey === "SENDGRID_API_KEY" ? "SENDGRID_API_KEY" : "STRIPE_SECRET_KEY",
    world.canary(value),
  );
}

async function hasSendgridKey(): Promise<void> {
  const value = `SG.fake_person_0001.fake_of_a_person_${crypto.randomUUID().slice(0, 13)}`;
  sendgrid.addKey({ name: "made by a person", value });
  await has("SENDGRID_API_KEY", value);
}

const setPolicy = (secretKey: string, driver: string, settings?: string) =>
  world.backends.secrets.admin.rotation.set(operator, {
    company,
    secretKey,
    driver,
    overlapSeconds: 3600,
    ...(settings !== undefined && { settings }),
  });

async function rotateFromList(page: Page, secretKey: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${secretKey}` }).click();
  await page.getByRole("menuitem", { name: "Rotate now…" }).click();
  const dialog = page.getByRole("dialog", { name: `Rotate ${secretKey} now` });
  await dialog.getByRole("button", { name: "Rotate now" }).click();
  await page.getByRole("heading", { level: 1, name: `Rotation of ${secretKey}` }).waitFor();
}

it("a policy is made for a SendGrid key, which is rotated, falls back by hand, and is paused then", async () => {
  await hasSendgridKey();
  const { page, open, person } = await world.admin(company);
  await open(`/c/${company}/rotation`);
  await page.getByText("No secret is rotated yet").waitFor();
  await page.getByRole("link", { name: "New policy" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Choose a secret.").waitFor();
  await page.getByLabel("Secret", { exact: true }).selectOption("SENDGRID_API_KEY");
  await page.getByLabel("What makes the next credential").selectOption({ label: "SendGrid" });
  await page.getByLabel("At", { exact: true }).fill("03:00");
  await page.getByLabel("Time zone of these times").selectOption("Europe/Berlin");
  await page.getByText("Every 30 days at 03:00, Europe/Berlin.").waitFor();
  await expectAccessible(page);
  await screenshot(page, "rotation-new-light-1280");
  await page.getByRole("button", { name: "Save" }).click();
  const row = rowOf(page, "SENDGRID_API_KEY");
  await row.getByText("Every 30 days at 03:00, Europe/Berlin").waitFor();
  await row.getByText("Active").waitFor();
  expect((await world.events("rotation.set-policy"))[0]).toMatchObject({
    actorId: person.userId,
    outcome: "success",
  });

  await rotateFromList(page, "SENDGRID_API_KEY");
  await hurryUntil(() => step(page, "Watch until the overlap ends").isVisible());
  expect(sendgrid.liveCredentials().some(({ name }) => name.startsWith("ts-"))).toBe(true);
  const credential = page.getByRole("table", { name: "Credentials" }).getByRole("row").nth(1);
  await credential.getByText("At the provider").waitFor();
  for (const look of looks) {
    await takeLook(page, look);
    await expectNoOverflow(page);
    await expectAccessible(page);
    await screenshot(page, `rotation-run-${look[0]}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  const run = page.url().split("/").at(-1) ?? "";
  const foreign = await world.admin("codewiser");
  await foreign.open(`/c/codewiser/rotation/runs/${run}`);
  await foreign.page.getByRole("heading", { level: 1, name: "Not here, or not yours" }).waitFor();

  await page.getByRole("button", { name: "Fall back…" }).click();
  const question = page.getByRole("alertdialog", { name: "Fall back to the value before?" });
  await question.getByRole("button", { name: "Fall back" }).click();
  await hurryUntil(() => state(page, "Fell back").isVisible());
  await page.getByText("The rotation fell back").waitFor();
  await page.getByRole("link", { name: "Rotation", exact: true }).click();
  await page.getByText("The rotation of SENDGRID_API_KEY is paused").waitFor();
  await page.getByRole("button", { name: "Actions for SENDGRID_API_KEY" }).click();
  await page.getByRole("menuitem", { name: "Resume…" }).click();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await row.getByText("Active").waitFor();
});

it("a credential that is left at the provider is listed until a person says that it has ended", async () => {
  await hasSendgridKey();
  await setPolicy("SENDGRID_API_KEY", "sendgrid");
  const marker = "ts-0123456789ab-1";
  await sql(
    `insert into rotation_credentials (company_id, secret_key, marker, run_id, state)
      select id, 'SENDGRID_API_KEY', '${marker}', gen_random_uuid(), 'orphan' from companies where subdomain = '${company}'`,
  );
  const { page, open } = await world.admin(company);
  await open(`/c/${company}/rotation`);
  const notice = page.getByText("Credentials of SENDGRID_API_KEY may be left at its provider");
  await notice.waitFor();
  await expectNoOverflow(page);
  await expectAccessible(page);
  await page.getByRole("button", { name: `It has ended: ${marker}` }).click();
  const question = page.getByRole("alertdialog", { name: "Has this credential ended at the provider?" });
  await question.getByText(marker).waitFor();
  await expectAccessible(page);
  await question.getByRole("button", { name: "It has ended" }).click();
  await notice.waitFor({ state: "detached" });
  expect((await world.events("rotation.end-orphan"))[0]).toMatchObject({
    secretKey: "SENDGRID_API_KEY",
    subject: marker,
    outcome: "success",
  });
});

it("a provider that refuses is told in words on the run, and the second time the policy is stuck", async () => {
  await hasSendgridKey();
  await setPolicy("SENDGRID_API_KEY", "sendgrid");
  sendgrid.faults.add({ fault: "limit", credentials: 0, times: "always" });
  const { page, open } = await world.admin(company);
  for (const attempt of [1, 2]) {
    await open(`/c/${company}/rotation`);
    await rotateFromList(page, "SENDGRID_API_KEY");
    await hurryUntil(() => state(page, "Failed").isVisible());
    await page.getByText("The secret was not rotated").waitFor();
    await page.getByText("The provider allows no further credential.").first().waitFor();
    if (attempt === 1) await expectAccessible(page);
  }
  await page.getByRole("link", { name: "All of this secret" }).click();
  await page.getByLabel("State").selectOption("Failed");
  await expect.poll(() => rowOf(page, "The provider allows no further").count()).toBeGreaterThanOrEqual(2);
  await page.getByLabel("State").selectOption("Rotated");
  await page.getByText("No run fits").waitFor();
  await page.getByRole("link", { name: "Policies" }).click();
  const stuck = page.getByRole("alert").filter({ hasText: "The rotation of SENDGRID_API_KEY is stuck" });
  await stuck.getByText("The provider allows no further credential.").waitFor();
  for (const look of looks) {
    await takeLook(page, look);
    await expectNoOverflow(page);
    await expectAccessible(page);
    await screenshot(page, `rotation-stuck-${look[0]}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("button", { name: "Actions for SENDGRID_API_KEY" }).click();
  await page.getByRole("menuitem", { name: "Remove…" }).click();
  const removal = page.getByRole("alertdialog", { name: "Remove the rotation of SENDGRID_API_KEY?" });
  await removal.getByText("its credential stays valid at the provider").waitFor();
  await removal.getByRole("button", { name: "Remove" }).click();
  await page.getByText("No secret is rotated yet").waitFor();
});

it("a person is led through the rotation of a Stripe key, from the paste to the end of the old one", async () => {
  const [old, next] = ["sk_test_fake_acmecorp_pages_0001", "sk_test_fake_acmecorp_pages_0002"];
  await has("STRIPE_SECRET_KEY", old);
  await setPolicy("STRIPE_SECRET_KEY", "guided", '{"provider":"stripe"}');
  const { page, open } = await world.admin(company);
  await open(`/c/${company}/secrets/STRIPE_SECRET_KEY`);
  await page.getByRole("region", { name: "Rotation" }).getByRole("button", { name: "Rotate now…" }).click();
  await page.getByRole("button", { name: "Rotate now", exact: true }).click();
  await page.getByRole("heading", { level: 2, name: "Make the next key at Stripe" }).waitFor(patience);
  const link = page.getByRole("link", { name: "Open Stripe" });
  expect(await link.getAttribute("href")).toBe("https://dashboard.stripe.com/apikeys");
  await expectAccessible(page);
  await screenshot(page, "rotation-guided-light-1280");

  const supply = async (value: string): Promise<void> => {
    await page.getByLabel("New value").fill(world.canary(value));
    await page.getByRole("button", { name: "Check and go on" }).click();
  };
  await supply("pk_test_fake_acmecorp_pages_0002");
  await page.getByText(/^A value .+\.$/).waitFor();
  await supply("sk_test_fake_codewiser_pages_0001");
  const refused = page.getByRole("alert").filter({ hasText: "Not accepted" });
  await refused.getByText("This value belongs to another account of the provider").waitFor();
  await supply("sk_test_fake_revoked_pages_0001");
  await refused.getByText("The provider does not accept this value: nothing was stored.").waitFor();
  await supply("rk_test_fake_acmecorp_pages_0003");
  const account = page.getByRole("alertdialog", { name: "Is it of the same account?" });
  const same = account.getByRole("button", { name: "It is of the same account" });
  expect(await same.isDisabled()).toBe(true);
  await account.getByLabel(`Type ${company} to go on`).fill(company);
  expect(await same.isDisabled()).toBe(false);
  await account.getByRole("button", { name: "Cancel" }).click();
  await supply(next);
  await page.getByText(/^Version \d+ is pending: the rotation goes on$/).waitFor();
  await hurryUntil(() => step(page, "Watch until the overlap ends").isVisible());
  expect(await (await world.client(company)).company(company).get("STRIPE_SECRET_KEY")).toBe(next);

  await sql(`update runs set facts = facts || '{"promotedAt": 0}' where finished_at is null`);
  const ending = page.getByRole("heading", { level: 2, name: "You may end the old key at Stripe now" });
  await hurryUntil(() => ending.isVisible());
  const ended = page.getByRole("button", { name: "I have ended the old key" });
  const notConfirmed = page.getByRole("alert").filter({ hasText: "Not confirmed" });
  await ended.click();
  await notConfirmed.getByText("The provider still accepts the old value").waitFor();
  await expectAccessible(page);
  await screenshot(page, "rotation-retire-light-1280");
  stripe.faults.add({ fault: "status", status: 401, path: "/v1/balance" });
  await ended.click();
  await notConfirmed.getByText("do not end the old one").waitFor();
  stripe.revoke(old);
  await ended.click();
  await hurryUntil(() => state(page, "Rotated").isVisible());
  expect(await page.locator("main textarea").count()).toBe(0);
});

it("a role without the verbs sees what happens, and no action; markup in an address is text", async () => {
  await has("STRIPE_SECRET_KEY", "sk_test_fake_acmecorp_pages_0004");
  await setPolicy("STRIPE_SECRET_KEY", "guided", '{"provider":"stripe"}');
  const run = await world.backends.secrets.admin.rotation.rotate(operator, {
    company,
    secretKey: "STRIPE_SECRET_KEY",
    urgent: false,
  });
  const { page, open, person } = await world.auditor(company);
  await open(`/c/${company}/rotation`);
  await rowOf(page, "STRIPE_SECRET_KEY").waitFor();
  expect(await page.getByRole("button", { name: /^Actions for/ }).count()).toBe(0);
  expect(await page.getByRole("link", { name: "New policy" }).count()).toBe(0);
  await open(`/c/${company}/rotation/runs/${run}`);
  await page.getByText("Your role in this company does not include the next step.").waitFor(patience);
  expect(await page.locator("main textarea").count()).toBe(0);
  expect(await page.getByRole("button", { name: /Abort|Fall back|Check/ }).count()).toBe(0);
  for (const address of ["new", "STRIPE_SECRET_KEY"]) {
    await open(`/c/${company}/rotation/${address}`);
    await page.getByRole("heading", { level: 1, name: "Not here, or not yours" }).waitFor();
  }
  const markup = "<img src=x onerror=alert(1)>";
  await open(`/c/${company}/rotation/runs?secret=${encodeURIComponent(markup)}`);
  await page.getByText("No run fits").waitFor();
  expect(await page.getByLabel("Secret", { exact: true }).inputValue()).toBe(markup);
  expect(await page.locator("main img").count()).toBe(0);

  const member = await world.member(company);
  await member.open(`/c/${company}/rotation/runs/${run}`);
  await member.page.getByRole("button", { name: "Check and go on" }).waitFor(patience);
  expect(await member.page.getByRole("button", { name: "Abort…" }).count()).toBe(0);
  const denied = (await world.events()).filter(({ outcome }) => outcome === "denied");
  expect(denied.filter(({ actorId }) => [person.userId, member.person.userId].includes(actorId))).toEqual([]);
});
