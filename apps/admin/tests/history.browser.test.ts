import type { Locator, Page } from "playwright-core";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

const company = "another-company";
const panelOf = (secretKey: string) => `/c/${company}/secrets/${secretKey}`;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

async function write(secretKey: string, ...values: readonly string[]): Promise<void> {
  const { trpc } = await world.client(company);
  for (const value of values) await trpc.secrets.write.mutate({ company, secretKey, value });
}

/** As the API answers it to a program. */
async function valueOf(secretKey: string): Promise<string> {
  const { trpc } = await world.client(company);
  return (await trpc.secrets.read.mutate({ company, secretKey })).value;
}

async function historyOf(secretKey: string) {
  const { trpc } = await world.client(company);
  return trpc.secrets.history.query({ company, secretKey });
}

const versionOf = (page: Page, version: number): Locator =>
  page.getByRole("listitem", { name: `Version ${version}`, exact: true });

it("T39 Rolls back, with a note", async () => {
  const secretKey = "CUSTOM_ROLLED";
  const first = world.canary("fake-value-of-version-one-1111");
  await write(secretKey, first, "fake-value-of-version-two-2222", "fake-value-of-version-three-3333");
  const { page, open, person } = await world.member(company);
  await open(panelOf(secretKey));
  await page.getByRole("tab", { name: "History" }).click();
  await versionOf(page, 3).getByText("Current", { exact: true }).waitFor();
  expect(await versionOf(page, 3).getByRole("button").count()).toBe(0);
  await versionOf(page, 1).getByRole("button", { name: "Roll back to this" }).click();
  const dialog = page.getByRole("dialog", { name: "Roll back to version 1?" });
  await dialog.getByText(/^Makes version 4 with the value of version 1\./).waitFor();
  await dialog.getByLabel("Note").fill("The new key was of the wrong account");
  await dialog.getByRole("button", { name: "Make version 4" }).click();

  const made = versionOf(page, 4);
  await made.getByText("The new key was of the wrong account").waitFor();
  await made.getByText("Current", { exact: true }).waitFor();
  await made.getByText(/same value as 1$/).waitFor();
  expect(await valueOf(secretKey)).toBe(first);
  const [newest] = (await historyOf(secretKey)).versions;
  expect(newest).toMatchObject({
    version: 4,
    stage: "current",
    note: "The new key was of the wrong account",
  });
  const [event] = await world.events("secret.rollback");
  expect(event).toMatchObject({ actorId: person.userId, secretKey, outcome: "success" });
});

it("T39 A rollback over a change that one has not seen makes nothing, and shows the present state", async () => {
  const secretKey = "CUSTOM_ROLLED_LATE";
  await write(secretKey, "fake-late-one-0001", "fake-late-two-0002");
  const { page, open } = await world.admin(company);
  await open(panelOf(secretKey));
  await page.getByRole("tab", { name: "History" }).click();
  await versionOf(page, 1).getByRole("button", { name: "Roll back to this" }).click();
  await write(secretKey, "fake-late-three-0003");
  await page.getByRole("button", { name: "Make version 3" }).click();
  await page.getByRole("alert").getByText("Changed in the meantime").waitFor();
  expect(await valueOf(secretKey)).toBe("fake-late-three-0003");
  await page.getByRole("button", { name: "Reload" }).click();
  await versionOf(page, 3).getByText("Current", { exact: true }).waitFor();
});

it("promotes a pending version from the history, which then tells until when the one before is valid", async () => {
  const secretKey = "CUSTOM_STAGED";
  await write(secretKey, "fake-staged-one-0001");
  const { trpc } = await world.client(company);
  await trpc.secrets.stage.mutate({ company, secretKey, value: "fake-staged-two-0002" });
  const { page, open } = await world.member(company);
  await open(panelOf(secretKey));
  await page.getByRole("tab", { name: "History" }).click();
  await versionOf(page, 2).getByText("Pending", { exact: true }).waitFor();
  expect(await versionOf(page, 2).getByRole("button").count()).toBe(0);
  await page.getByRole("button", { name: "Promote version 2" }).click();
  await page.getByLabel("Keep version 1 valid").selectOption("For 24 hours");
  await page.getByRole("button", { name: "Make version 2 current" }).click();
  await versionOf(page, 2).getByText("Current", { exact: true }).waitFor();
  await versionOf(page, 1)
    .getByText(/^Valid until/)
    .waitFor();
  expect((await historyOf(secretKey)).versions).toMatchObject([{ stage: "current" }, { stage: "previous" }]);
});

it("T40 removes, undoes by the toast; later restores from Removed", async () => {
  const secretKey = "CUSTOM_REMOVED";
  const value = world.canary("fake-removed-and-restored-0001");
  await write(secretKey, value);
  const { page, open } = await world.admin(company);
  const remove = async () => {
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("button", { name: `Remove ${secretKey}` }).click();
    await page.getByText(`${secretKey} was removed`).first().waitFor();
    await page.getByRole("complementary", { name: secretKey }).waitFor({ state: "detached" });
    await expect(valueOf(secretKey)).rejects.toThrow(/^Not found/);
  };
  await open(panelOf(secretKey));
  await remove();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText(`${secretKey} is back, as version 1`).first().waitFor();
  expect(await valueOf(secretKey)).toBe(value);
  await page.getByRole("link", { name: secretKey }).click();
  await remove();

  await open(`/c/${company}/secrets`);
  await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
  expect(await page.getByRole("row", { name: secretKey, exact: true }).count()).toBe(0);
  await page.getByRole("link", { name: "Removed secrets" }).click();
  const item = page.getByRole("listitem").filter({ has: page.getByText(secretKey, { exact: true }) });
  await item.getByText(/^until \d/).waitFor();
  await item.getByRole("button", { name: `Restore ${secretKey}` }).click();
  await page.getByText(`${secretKey} is back, as version 1`).first().waitFor();
  await item.waitFor({ state: "detached" });
  expect(await valueOf(secretKey)).toBe(value);
  const actions = (await world.events("secret.remove", "secret.restore"))
    .filter((event) => event.secretKey === secretKey)
    .map(({ action }) => action);
  expect(actions).toEqual(["secret.restore", "secret.remove", "secret.restore", "secret.remove"]);
});

it("T41 destroys with the typed name, history stays, value gone", async () => {
  const secretKey = "CUSTOM_DESTROYED";
  await write(secretKey, "fake-destroyed-one-0001", "fake-destroyed-two-0002");
  const { trpc } = await world.client(company);
  await trpc.secrets.remove.mutate({ company, secretKey });
  const { page, open, person } = await world.owner(company);
  await open(`/c/${company}/secrets/removed`);
  await page.getByRole("button", { name: `Destroy now: ${secretKey}` }).click();
  const destroy = page.getByRole("button", { name: `Destroy ${secretKey}`, exact: true });
  expect(await destroy.isDisabled()).toBe(true);
  await page.getByLabel(`Type ${secretKey} to go on`).fill("CUSTOM_OTHER");
  expect(await destroy.isDisabled()).toBe(true);
  await page.getByLabel(`Type ${secretKey} to go on`).fill(secretKey);
  await destroy.click();
  await page.getByText(`The values of ${secretKey} are destroyed`).first().waitFor();
  await page.getByRole("button", { name: `Restore ${secretKey}` }).waitFor({ state: "detached" });

  const { versions } = await historyOf(secretKey);
  expect(versions.map(({ version, destroyedAt }) => [version, destroyedAt instanceof Date])).toEqual([
    [2, true],
    [1, true],
  ]);
  await expect(trpc.secrets.restore.mutate({ company, secretKey })).rejects.toThrow(/^Not found/);
  const [event] = await world.events("secret.purge");
  expect(event).toMatchObject({ actorId: person.userId, secretKey, outcome: "success" });
  await open(panelOf(secretKey));
  await page.getByRole("button", { name: "Show history" }).click();
  await versionOf(page, 1).getByText("Destroyed", { exact: true }).waitFor();
});

it("T42 the version list pages beyond 100", async () => {
  const secretKey = "CUSTOM_OFTEN";
  const values = Array.from({ length: 103 }, (_, index) => `fake-often-${index + 1}`);
  while (values.length > 0) await Promise.all(values.splice(0, 8).map((value) => write(secretKey, value)));
  const { page, open } = await world.auditor(company);
  await open(panelOf(secretKey));
  await page.getByRole("tab", { name: "History" }).click();
  await versionOf(page, 103).waitFor();
  const versions = page.getByRole("list", { name: "Versions" }).getByRole("listitem");
  expect(await versions.count()).toBe(100);
  await page.getByRole("button", { name: "Show earlier versions" }).click();
  await versionOf(page, 1).waitFor();
  expect(await versions.count()).toBe(103);
  expect(await page.getByRole("button", { name: "Show earlier versions" }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Roll back to this" }).count()).toBe(0);
});

it("T43 Infisical store: what is not there is said, nothing is clickable that answers NOT_SUPPORTED", async () => {
  const { page, open } = await world.admin("codewiser");
  const unsupported: string[] = [];
  page.on("response", async (response) => {
    if (!response.url().includes("/trpc/")) return;
    const text = await response.text().catch(() => "");
    if (text.includes("NOT_SUPPORTED")) unsupported.push(response.url());
  });
  await open("/c/codewiser/secrets");
  await page.getByRole("link", { name: "STRIPE_SECRET_KEY" }).click();
  await page.getByText("Not kept in Infisical").waitFor();
  expect(await page.getByRole("link", { name: "Removed secrets" }).count()).toBe(0);
  await page.getByRole("tab", { name: "History" }).click();
  await page
    .getByText(/^The secrets of codewiser are kept in Infisical\. From there no earlier versions/)
    .waitFor();
  await page.getByRole("tab", { name: "Now" }).click();
  expect(await page.getByRole("button", { name: /check now|promote|roll back/i }).count()).toBe(0);
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText(/It is deleted in Infisical, from where it cannot be restored\./).waitFor();
  await page.getByLabel("Type STRIPE_SECRET_KEY to go on").fill("STRIPE_SECRET_KEY");
  await page.getByRole("button", { name: "Remove STRIPE_SECRET_KEY" }).click();
  await page.getByText("STRIPE_SECRET_KEY was removed").first().waitFor();
  expect(await page.getByRole("button", { name: "Undo" }).count()).toBe(0);
  const { trpc } = await world.client("codewiser");
  expect((await trpc.secrets.list.query({ company: "codewiser" })).secrets).toEqual([]);
  await open("/c/codewiser/secrets/removed");
  await page.getByText("What is removed there cannot be restored here.").waitFor();
  expect(unsupported).toEqual([]);
});

it.each(looks)("history and removed secrets fit in %s", async (name, options) => {
  const secretKey = `CUSTOM_${name.replace("-", "_")}_${"A_NAME_OF_100_CHARACTERS_".repeat(4)}`.slice(0, 100);
  await write(secretKey, "fake-long-one-0001", "fake-long-two-0002");
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({
    company,
    secretKey,
    value: "fake-long-one-0001",
    note: "A note of several words, which is long enough that it does not stand in one line of the panel. ".repeat(
      3,
    ),
    graceSeconds: 3600,
  });
  await trpc.secrets.stage.mutate({ company, secretKey, value: "fake-long-four-0004" });
  await write("CUSTOM_GONE", "fake-gone-0001");
  await trpc.secrets.remove.mutate({ company, secretKey: "CUSTOM_GONE" });
  const { page, open } = await world.admin(company, options);
  await open(panelOf(secretKey));
  await page.getByRole("tab", { name: "History" }).click();
  await versionOf(page, 1).waitFor();
  await expectAccessible(page);
  await expectNoOverflow(page);
  await screenshot(page, `history-${name}`);
  await open(`/c/${company}/secrets/removed`);
  await page.getByRole("button", { name: "Restore CUSTOM_GONE" }).waitFor();
  await expectAccessible(page);
  await expectNoOverflow(page);
  await screenshot(page, `removed-${name}`);
  await trpc.secrets.restore.mutate({ company, secretKey: "CUSTOM_GONE" });
  await trpc.secrets.discard.mutate({ company, secretKey });
});
