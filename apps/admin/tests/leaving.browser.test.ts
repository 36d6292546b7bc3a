import { operator } from "@repo/hono-api/testing";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

const company = "another-company";
const dayMs = 86_400_000;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

it("a deletion takes the company's name and two operators, shows its date, and is undone by keeping the company", async () => {
  const { companies, deletions } = world.backends.secrets.admin;
  const asks = await world.operator();
  const answers = await world.operator();
  const member = await world.member(company);
  await member.open(`/c/${company}/secrets`);
  await asks.open(`/platform/companies/${company}`);
  const ask = async (): Promise<void> => {
    await asks.page.getByRole("button", { name: "Delete…" }).click();
    const dialog = asks.page.getByRole("dialog");
    await dialog.getByLabel("Delete it after, in days").fill("20");
    const typed = dialog.getByLabel(`Type ${company} to go on`);
    const button = dialog.getByRole("button", { name: `Delete ${company}` });
    for (const wrong of ["", "another-compan", "Another-company", `${company} `]) {
      await typed.fill(wrong);
      expect(await button.isDisabled()).toBe(true);
      // The key that sends a form sends nothing either.
      await typed.press("Enter");
    }
    expect(await dialog.getByText("Another operator has to approve this").count()).toBe(0);
    await typed.fill(company);
    await button.click();
  };
  await ask();
  await asks.page.getByText("Another operator has to approve this").waitFor();
  await asks.page.getByRole("button", { name: "Close" }).first().click();
  expect(await companies.get(operator, company)).toMatchObject({ status: "active", deleteAt: undefined });

  await answers.open("/platform/approvals");
  const request = answers.page.getByRole("article", { name: `Delete ${company} after 20 days` });
  await request.getByText("deletes it after 20 days").waitFor();
  await request.getByRole("button", { name: "Approve…" }).click();
  await answers.page.getByRole("button", { name: "Approve", exact: true }).click();
  await request.getByText("Approved", { exact: true }).waitFor();
  expect(await companies.get(operator, company)).toMatchObject({ status: "active", deleteAt: undefined });

  await ask();
  await asks.page.getByText("Its deletion is scheduled").waitFor();
  const { status, deleteAt } = await companies.get(operator, company);
  expect(status).toBe("suspended");
  const days = ((deleteAt?.getTime() ?? 0) - Date.now()) / dayMs;
  expect(days).toBeGreaterThan(19.9);
  expect(days).toBeLessThanOrEqual(20);
  expect(
    await asks.page.locator(`time[datetime="${deleteAt?.toISOString() ?? "none"}"]`).count(),
  ).toBeGreaterThan(0);
  // It is opened again in one way.
  expect(await asks.page.getByRole("button", { name: "Resume" }).count()).toBe(0);
  for (const look of looks) {
    await takeLook(asks.page, look);
    await expectAccessible(asks.page);
    await expectNoOverflow(asks.page);
    const [name] = look;
    await screenshot(asks.page, `leaving-${name}`);
  }

  // A member's open page hears of it, and says neither the date nor who asked.
  await member.page.getByRole("heading", { level: 1, name: "This company is suspended" }).waitFor();
  expect(await member.page.getByRole("button", { name: "Keep" }).count()).toBe(0);
  const byHand = await member.page.evaluate(
    async (body) => {
      const answer = await fetch("/trpc/companies.keep", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      return answer.status;
    },
    JSON.stringify({ json: { company } }),
  );
  expect([401, 403, 404]).toContain(byHand);
  member.watch.refused.length = 0;

  await asks.page.getByRole("button", { name: "Keep" }).click();
  await asks.page.getByRole("button", { name: "Delete…" }).waitFor();
  expect(await companies.get(operator, company)).toMatchObject({ status: "active", deleteAt: undefined });
  expect(await deletions.get(operator, company)).toMatchObject({ state: "kept" });
  await member.open(`/c/${company}/secrets`);
  await member.page.getByRole("heading", { level: 1, name: "Secrets" }).waitFor();
}, 180_000);
