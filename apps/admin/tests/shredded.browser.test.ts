import { operator } from "@repo/hono-api/testing";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot, takeLook } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

const company = "another-company";
const list = `/c/${company}/secrets`;

let world: World;
beforeAll(async () => {
  world = await createWorld({ OPERATOR_APPROVALS: "1" });
});

it("a company whose keys were destroyed has one page for its secrets, and its audit log", async () => {
  const { trpc } = await world.client(company);
  await trpc.secrets.write.mutate({ company, secretKey: "CUSTOM_DESTROYED", value: "fake-destroyed-0001" });
  const { page, open, person, watch } = await world.owner(company);
  await open(`${list}/CUSTOM_DESTROYED`);
  await page.getByRole("tab", { name: "Now" }).waitFor();
  const ops = await world.operator();
  await ops.open("/platform/companies");
  const status = await ops.page.evaluate(
    async (body) => {
      const headers = { "content-type": "application/json", "tenant-secrets-as": "operator" };
      return (await fetch("/trpc/companies.shred", { method: "POST", headers, body })).status;
    },
    JSON.stringify({ json: { company, backupsKeptDays: 30 } }),
  );
  expect(status).toBe(200);

  // The open page hears of it.
  const heading = page.getByRole("heading", { level: 1, name: "The secrets are destroyed" });
  await heading.waitFor();
  const { shreddedAt } = await world.backends.secrets.admin.companies.get(operator, company);
  expect(await page.locator("time").getAttribute("datetime")).toBe(shreddedAt?.toISOString());
  for (const address of [list, `${list}/removed`, `${list}/new`, `${list}/import`]) {
    await open(address);
    await heading.waitFor();
  }
  for (const look of looks) {
    await takeLook(page, look);
    await expectAccessible(page);
    await expectNoOverflow(page);
    const [name] = look;
    await screenshot(page, `shredded-${name}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("link", { name: "Open the audit log" }).click();
  await page.getByRole("row", { name: /Shred the company's keys.*Done/ }).waitFor();
  expect(watch.refused).toEqual([]);
  const mine = (await world.events()).filter(({ actorId }) => actorId === person.userId);
  expect(mine.filter(({ outcome }) => outcome !== "success")).toEqual([]);
}, 180_000);
