import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connectDatabase } from "@repo/db";
import { operator } from "@repo/hono-api/testing";
import { verifyRegionReport } from "@repo/tenant-secrets/operator";
import { newRegion } from "@repo/tenant-secrets/testing";
import { beforeAll, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

let world: World;
let happens: (statement: string) => Promise<void>;
beforeAll(async () => {
  world = await createWorld();
  const { superuserUrl } = world.backends.database;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  happens = async (statement) => {
    await database.acrossCompanies((statements) => statements.execute(statement));
  };
  return () => database.close();
});

it("an operator compares the fingerprint of this region, and adds and removes another one", async () => {
  const { page, open } = await world.operator();
  const { regions } = world.backends.secrets.admin;
  // A name is not used again, and a failed test is repeated.
  const name = `us-${randomBytes(4).toString("hex")}`;
  const us = newRegion(name);
  await open("/platform/regions");
  const known = page.getByRole("region", { name: "This region" });
  // The API's process made the keys with the first look.
  const shown = known.getByText(/^[0-9a-f]{8}( [0-9a-f]{8}){7}$/);
  await shown.waitFor();
  const own = (await shown.textContent()) ?? "";
  await known.getByRole("button", { name: "Copy the identity of this region" }).click();
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Add a region" }).click();
  await dialog.getByLabel("Identity").fill("us");
  await dialog.getByLabel("Fingerprint").fill(us.fingerprint);
  await dialog.getByRole("button", { name: "Add the region" }).click();
  await dialog.getByText("This is not the identity of a region.").waitFor();
  // What was copied is this region's own identity, as the API reads it.
  await dialog.getByLabel("Identity").fill("");
  await dialog.getByLabel("Identity").press("ControlOrMeta+v");
  await dialog.getByRole("button", { name: "Add the region" }).click();
  await dialog.getByText("This is the identity of this region itself").waitFor();

  const { fingerprint, ...sent } = us;
  await dialog.getByLabel("Identity").fill(JSON.stringify({ ...sent, fingerprint: "what came with it" }));
  await dialog.getByLabel("Fingerprint").fill(fingerprint.replaceAll(/[0-7]/g, "8"));
  await dialog.getByRole("button", { name: "Add the region" }).click();
  await dialog.getByText("The fingerprint is not that of this identity").waitFor();
  expect(await regions.list(operator)).toEqual([]);

  await dialog.getByLabel("Fingerprint").fill(fingerprint);
  await dialog.getByRole("button", { name: "Add the region" }).click();
  await page.getByText(`${name} was added`, { exact: true }).waitFor();
  const row = page.getByRole("row", { name: us.address });
  await row.getByText(fingerprint).waitFor();
  await row.getByText("Sent: 0 copies").waitFor();
  await row.getByText("Received: 0 copies").waitFor();
  expect(await regions.list(operator)).toMatchObject([{ region: name, fingerprint }]);

  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("The report was saved: nothing is wrong", { exact: true }).waitFor();
  const text = await readFile(await (await saved).path(), "utf8");
  expect(verifyRegionReport(text, own).faults).toEqual([]);

  await row.getByRole("button", { name: `Remove ${name}` }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByText("The region was removed", { exact: true }).waitFor();
  await page.getByText("No other region is known here").waitFor();
  expect(await regions.list(operator)).toEqual([]);
  const events = await world.events("region.add", "region.remove");
  expect(
    events.filter(({ subject }) => subject === name).map(({ action, outcome }) => `${action} ${outcome}`),
  ).toEqual(["region.remove success", "region.add success", "region.add failed"]);
});

it("an operator lets a company be copied to a region, and takes it from there", async () => {
  const { page, open } = await world.operator();
  const { regions, companies, companyRegions } = world.backends.secrets.admin;
  const name = `sa-${randomBytes(4).toString("hex")}`;
  const subdomain = `copied-${name}`;
  await regions.add(operator, newRegion(name));
  await companies.create(operator, { subdomain, secretStore: "database" });
  await open(`/platform/companies/${subdomain}`);
  const section = page.getByRole("region", { name: "Where it may be" });
  await section.getByText("Its home alone").waitFor();
  await section.getByRole("button", { name: "Copy to a region…" }).click();
  await page.getByRole("dialog").getByLabel("Region").selectOption(name);
  await page.getByRole("dialog").getByRole("button", { name: "Copy it there" }).click();
  await section.getByRole("heading", { name }).waitFor();
  expect(await companyRegions.list(operator, subdomain)).toMatchObject([{ region: name }]);

  // Its copies wait for what brings them there.
  await open("/platform/regions");
  const state = page.getByRole("row", { name });
  await state.getByText("Sent: 1 copy").waitFor();
  await state.getByText("publication changed").waitFor();
  await open(`/platform/companies/${subdomain}`);
  // Nothing has arrived from that region, so that nothing would tell that the company is at home there.
  const confirmMove = async (): Promise<void> => {
    await page.getByRole("alertdialog").getByRole("textbox").fill(subdomain);
    await page.getByRole("button", { name: "Move it", exact: true }).click();
  };
  await section.getByRole("button", { name: `Make ${name} its home` }).click();
  await confirmMove();
  await page.getByText(`Nothing has arrived here from ${name}`).waitFor();
  await happens(
    `insert into region_beats (target_region, home_region, beat_at) values ('default', '${name}', now())`,
  );
  await page.getByRole("button", { name: "Move it", exact: true }).click();
  await section.getByRole("group", { name: "Move to another region" }).waitFor();
  await happens(
    "update runs set state = 'cancelled', finished_at = now(), lease_holder = null, lease_until = null where kind = 'move-company'",
  );
  await page.reload();
  await section.getByText("Its last move was given up").waitFor();

  await section.getByRole("button", { name: `Take it from ${name}` }).click();
  await page.getByRole("button", { name: "Take it", exact: true }).click();
  await section.getByText("Its home alone").waitFor();
  expect(await companyRegions.list(operator, subdomain)).toEqual([]);
});

it("a company on another store than the database is not copied, and the page says what to do", async () => {
  const { page, open } = await world.operator();
  const { regions, companies, companyRegions } = world.backends.secrets.admin;
  const name = `ap-${randomBytes(4).toString("hex")}`;
  const subdomain = `hybrid-${name}`;
  await regions.add(operator, newRegion(name));
  await companies.create(operator, { subdomain, secretStore: "hybrid" });
  await open(`/platform/companies/${subdomain}`);
  await page.getByRole("button", { name: "Copy to a region…" }).click();
  await page.getByRole("dialog").getByLabel("Region").selectOption(name);
  await page.getByRole("dialog").getByRole("button", { name: "Copy it there" }).click();
  await page.getByText("move it to the database first").waitFor();
  expect(await companyRegions.list(operator, subdomain)).toEqual([]);
});
