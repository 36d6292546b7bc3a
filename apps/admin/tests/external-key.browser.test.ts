import { startLocalKms } from "@repo/external-keys/emulator";
import { whenDone } from "@repo/db/testing";
import { beforeAll, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

const company = "another-company";
const kms = await startLocalKms();
whenDone(() => kms.stop());

let world: World;
beforeAll(async () => {
  world = await createWorld({
    AWS_KMS_URL: kms.url,
    AWS_ACCESS_KEY_ID: kms.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: kms.credentials.secretAccessKey,
    EXTERNAL_KEY_TTL_SECONDS: "10",
  });
});

it("an owner sets the external key of a company, sees whether it opens, and removes it", async () => {
  const key = kms.addKey();
  const { page, open } = await world.owner(company);
  await open(`/c/${company}/settings`);
  const section = page.getByRole("region", { name: "External key" });
  await section.getByText("The company has no key of its own.").waitFor();
  await section.getByRole("button", { name: "Set an external key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("ARN of the key").fill("alias/fake");
  await dialog.getByRole("button", { name: "Set" }).click();
  await dialog.getByText("and not by an alias").waitFor();
  await dialog.getByLabel("ARN of the key").fill(key.arn);
  await dialog.getByRole("button", { name: "Set" }).click();
  await dialog.waitFor({ state: "hidden" });
  await section.getByText(key.arn).waitFor();
  await section.getByText("It opens.").waitFor();
  await expect
    .poll(async () => {
      await open(`/c/${company}/settings`);
      return section.getByText("In force: ").count();
    })
    .toBe(1);

  const { page: platform, open: openPlatform } = await world.operator();
  await openPlatform(`/platform/companies/${company}`);
  await platform.getByRole("region", { name: "External key" }).getByText("In force: ").waitFor();
  expect(await platform.getByRole("button", { name: "Remove", exact: true }).count()).toBe(0);

  await section.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Remove it" }).click();
  await page.getByRole("alertdialog").waitFor({ state: "hidden" });
  await expect
    .poll(async () => {
      await open(`/c/${company}/settings`);
      return section.getByText("The company has no key of its own.").count();
    })
    .toBe(1);
  expect(await world.events("company.set-external-key", "company.remove-external-key")).toHaveLength(3);
});
