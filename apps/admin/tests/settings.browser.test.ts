import { operator } from "@repo/hono-api/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const settings = (company: string) => `/c/${company}/settings`;
const companyOf = (company: string) => world.backends.secrets.admin.companies.get(operator, company);

describe("the settings of a company", () => {
  it("an owner asks a second factor of everyone, and takes it back", async () => {
    const company = "another-company";
    const { page, open, person } = await world.owner(company);
    await open(settings(company));
    const everyone = page.getByRole("switch", { name: "Everyone needs a second factor" });
    await everyone.click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("alertdialog").waitFor({ state: "hidden" });
    expect(await everyone.isChecked()).toBe(false);
    expect(await companyOf(company)).toMatchObject({ secondFactorRequired: false });

    await everyone.click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Ask it of everyone" }).click();
    await page.getByRole("alertdialog").waitFor({ state: "hidden" });
    await expect.poll(() => everyone.isChecked()).toBe(true);
    expect(await companyOf(company)).toMatchObject({ secondFactorRequired: true });
    const [event] = await world.events("company.require-second-factor");
    expect(event).toMatchObject({ actorId: person.userId, outcome: "success" });

    await everyone.click();
    await expect.poll(() => everyone.isChecked()).toBe(false);
    expect(await companyOf(company)).toMatchObject({ secondFactorRequired: false });
  });

  it("tell the version and the age of the company's key, and how long a removed secret can be restored", async () => {
    await (await world.client("acmecorp")).company("acmecorp").set("CUSTOM_FAKE", "fake_custom_0001");
    const { key, recoveryDays } = await companyOf("acmecorp");
    const { page, open } = await world.member("acmecorp");
    await open(settings("acmecorp"));
    const section = page.getByRole("region", { name: "Company key" });
    expect(key).toBeDefined();
    await section.getByText(String(key?.version), { exact: true }).waitFor();
    await section.getByText("Never", { exact: true }).waitFor();
    expect(await section.locator("time").getAttribute("datetime")).toBe(key?.createdAt.toISOString());
    await page.getByText(`for ${recoveryDays} days`).waitFor();
  });

  it("say what a store cannot do", async () => {
    const { page, open } = await world.member("codewiser");
    await open(settings("codewiser"));
    await page.getByText("All values are in a folder of Infisical.").waitFor();
    const abilities = page.getByRole("list", { name: "What the store can do" });
    await abilities.getByText("Lists every version of a secret – not in this store").waitFor();
    const { trpc } = await world.client("codewiser");
    const { conditionalWrites, requestIds, ...told } = await trpc.secrets.capabilities.query({
      company: "codewiser",
    });
    expect([conditionalWrites, requestIds]).toEqual([false, false]);
    const missing = Object.values(told).filter((isThere) => !isThere);
    expect(await abilities.getByText("not in this store").count()).toBe(missing.length);
  });

  it.each(["member", "auditor"] as const)("show an %s no switch", async (role) => {
    const { page, open } = await world[role]("acmecorp");
    await open(settings("acmecorp"));
    await page
      .getByText("Owners and admins need a second factor; members and auditors may have one.")
      .waitFor();
    expect(await page.getByRole("switch").count()).toBe(0);
  });
});
