import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const company = "another-company";
const list = `/c/${company}/secrets`;
const rowNames = (page: Page) =>
  page
    .getByRole("table", { name: "Secrets" })
    .locator("tbody [data-secret]")
    .evaluateAll((links) => links.map((link) => link.getAttribute("data-secret")));

async function write(secretKey: string, value: string, expiresAt?: Date): Promise<void> {
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey, value, ...(expiresAt && { expiresAt }) });
}

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);

describe("the list", () => {
  it("T12 Finds a secret by part of its purpose; no result keeps header, filters and a clear", async () => {
    const { page, open } = await world.member(company);
    await open(list);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("refunds in the company");
    await expect.poll(() => rowNames(page)).toEqual(["STRIPE_SECRET_KEY"]);
    expect(await page.getByRole("link", { name: "Add SENDGRID_API_KEY" }).count()).toBe(0);
    await expect.poll(() => new URL(page.url()).searchParams.get("q")).toBe("refunds in the company");

    const search = page.getByRole("searchbox", { name: "Search secrets" });
    await search.fill("signs the webhooks");
    await page.getByRole("link", { name: "Add WEBHOOK_SIGNING_SECRET" }).waitFor();
    await expect.poll(() => page.getByRole("listitem").filter({ hasText: "OAUTH" }).count()).toBe(0);

    await search.fill("nothing has this");
    await page.getByText("No secret matches").waitFor();
    expect(await page.getByRole("columnheader", { name: "Secret", exact: true }).count()).toBe(1);
    expect(await page.getByRole("button", { name: "1 set" }).count()).toBe(1);
    await page.getByRole("button", { name: "Clear search and filters" }).click();
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await expect.poll(() => page.url()).toBe(world.url + list);
  });

  it("a value that is pasted into the search does not get into the address", async () => {
    const { page, open } = await world.member(company);
    const value = world.canary("sk_test_fake_pasted_into_search_0001");
    await open(`${list}?q=sk_test_fake_of_a_link_0001`);
    await page.getByText("No secret matches").waitFor();
    await expect.poll(() => page.url()).toBe(world.url + list);
    await page.getByRole("searchbox").fill("stripe");
    await expect.poll(() => page.url()).toBe(`${world.url}${list}?q=stripe`);
    await page.getByRole("searchbox").fill(value);
    await expect.poll(() => page.url()).toBe(world.url + list);
    await page.getByRole("button", { name: "Clear search and filters" }).click();
  });

  it("T13 Sorts by expiry, sends the URL to a colleague, who sees the same order", async () => {
    await write("CUSTOM_LATER", "fake_later_0001", inDays(200));
    await write("CUSTOM_SOON", "fake_soon_0001", inDays(5));
    await write("CUSTOM_NEVER", "fake_never_0001");
    const { page, open } = await world.admin(company);
    await open(list);
    const order = page.getByRole("button", { name: "Expires" });
    await order.click();
    const ascending = ["CUSTOM_SOON", "CUSTOM_LATER"];
    await expect.poll(async () => (await rowNames(page)).slice(0, 2)).toEqual(ascending);
    await order.click();
    await expect.poll(async () => (await rowNames(page)).slice(0, 2)).toEqual(ascending.toReversed());
    const seen = await rowNames(page);
    expect(new URL(page.url()).searchParams.get("sort")).toBe("-expires");

    const colleague = await world.auditor(company);
    await colleague.open(page.url().slice(world.url.length));
    await colleague.page.getByRole("row", { name: "CUSTOM_LATER" }).waitFor();
    expect(await rowNames(colleague.page)).toEqual(seen);
    expect(
      await colleague.page.getByRole("columnheader", { name: "Expires" }).getAttribute("aria-sort"),
    ).toBe("descending");
    await colleague.page.getByRole("button", { name: "1 expiring" }).click();
    await expect.poll(() => rowNames(colleague.page)).toEqual(["CUSTOM_SOON"]);
  });

  it("T14 An auditor sees the list, no button that writes, and leaves no refused event", async () => {
    const { page, open, person, watch } = await world.auditor(company);
    await open(list);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    await page.getByRole("link", { name: "STRIPE_SECRET_KEY" }).click();
    const panel = page.getByRole("complementary", { name: "STRIPE_SECRET_KEY" });
    await panel.getByText("Charges and refunds in the company's Stripe account.").waitFor();
    await page.waitForLoadState("networkidle");
    const writing = /\b(add|import|export|replace|remove|roll|promote|discard|check now|reveal)\b/i;
    expect(await page.getByRole("button", { name: writing }).count()).toBe(0);
    expect(await page.getByRole("link", { name: writing }).count()).toBe(0);
    expect(watch.refused).toEqual([]);
    const mine = (await world.events()).filter(({ actorId }) => actorId === person.userId);
    expect(mine.length).toBeGreaterThan(0);
    expect(mine.filter(({ outcome }) => outcome === "denied")).toEqual([]);
  });

  it("T17 A hybrid company: where each lives, and that reading moves it, is said in the place column's tip", async () => {
    const of = { company: "acmecorp", secretKey: "SENDGRID_API_KEY" };
    const value = world.canary("SG.fake_of_t17.fake_sendgrid_key_of_t17");
    await world.backends.infisical.putSecret("/tenants/acmecorp", of.secretKey, value);
    const { page, open } = await world.member("acmecorp");
    await open("/c/acmecorp/secrets");
    const place = (secretKey: string, name: string) =>
      page.getByRole("row", { name: secretKey }).getByText(name, { exact: true });
    await place("STRIPE_SECRET_KEY", "Database").waitFor();
    await place(of.secretKey, "Infisical").focus();
    await page
      .getByRole("tooltip")
      .getByText("The next time that a program reads it, it moves into the database.")
      .waitFor();
    const { trpc } = await world.client("acmecorp");
    expect(await trpc.secrets.read.mutate(of)).toMatchObject({ value });
    await open("/c/acmecorp/secrets");
    await place(of.secretKey, "Database").waitFor();
  });

  it("T18 Another admin's change appears without a click and without an event of ours, the row marked", async () => {
    const { page, open, person } = await world.member(company);
    await open(list);
    await page.getByRole("row", { name: "STRIPE_SECRET_KEY" }).waitFor();
    const other = await world.admin(company);
    await other.open(`${list}/STRIPE_SECRET_KEY`);
    await other.page.getByRole("button", { name: "Replace value" }).click();
    const value = world.canary("sk_test_fake_changed_by_another_7777");
    await other.page.getByLabel("New value", { exact: true }).fill(value);
    await other.page.getByRole("button", { name: /^Save as version/ }).click();
    await other.page.getByText("STRIPE_SECRET_KEY was saved as version 2").first().waitFor();

    const name = other.person.email.replace("@acmecorp.example", "");
    const row = page.getByRole("row", { name: "STRIPE_SECRET_KEY" });
    await row
      .getByText(new RegExp(`^Changed by ${name.replace("-", " ")}$`, "i"))
      .waitFor({ timeout: 60_000 });
    await row.getByText("…7777").waitFor();
    const mine = (await world.events()).filter(({ actorId }) => actorId === person.userId);
    // The list, and the list again once the stamp said that it moved.
    expect(mine.map(({ action }) => action).filter((action) => action.startsWith("secret."))).toEqual([
      "secret.list",
      "secret.list",
    ]);
    expect(await other.page.getByText("Changed by").count()).toBe(0);
  });
});
