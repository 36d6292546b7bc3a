import { whenDone } from "@repo/db/testing";
import { startInbox, type Inbox } from "@repo/mail/inbox";
import { beforeAll, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

/** What a mail server says may quote anything that it was sent. */
const said = "No such mailbox: login fake-smtp-password-0001";

let world: World;
let inbox: Inbox;
const refused = new Set<string>();
beforeAll(async () => {
  inbox = await startInbox({ refusalOf: (to) => (refused.has(to) ? said : undefined) });
  whenDone(() => inbox.stop());
  world = await createWorld({ SMTP_URL: inbox.smtpUrl });
  world.canary("fake-smtp-password-0001");
});

it("who invites sees that the mail server refused the mail, and sends another one", async () => {
  const email = "refused@acmecorp.example";
  refused.add(email);
  const { page, open } = await world.owner("acmecorp");
  await open("/c/acmecorp/people");
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByRole("dialog").getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Send invitation" }).click();
  const row = page.getByRole("row", { name: email });
  await row.getByText("Mail not sent").waitFor();
  await row.getByText("The mail server refused the sender or this address.").waitFor();
  await screenshot(page, "people-mail-refused-light-1280");
  await expectAccessible(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByText("Mail not sent").waitFor();
  await expectNoOverflow(page);
  await screenshot(page, "people-mail-refused-dark-360");
  await page.setViewportSize({ width: 1280, height: 800 });

  refused.delete(email);
  await row.getByRole("button", { name: `Actions for ${email}` }).click();
  await page.getByRole("menuitem", { name: "Send another link" }).click();
  await row.getByText("Link ends").waitFor();
  expect((await inbox.mailTo(email)).text).toContain("/invitation#");
});

it("an operator sees it on the page of the company, sends another link, and revokes the invitation", async () => {
  const email = "owner@another-company.example";
  refused.add(email);
  const { page, open } = await world.operator();
  await open("/platform/companies/another-company");
  await page.getByRole("button", { name: /^Invite/ }).click();
  await page.getByRole("dialog").getByLabel("E-mail").fill(email);
  await page.getByRole("button", { name: "Send the invitation" }).click();
  const row = page.getByRole("row", { name: email });
  await row.getByText("The mail server refused the sender or this address.").waitFor();
  await screenshot(page, "platform-people-mail-refused-light-1280");
  refused.delete(email);
  await row.getByRole("button", { name: `Actions for ${email}` }).click();
  await page.getByRole("menuitem", { name: "Send another link" }).click();
  await row.getByText("Link ends").waitFor();
  expect((await inbox.mailTo(email)).text).toContain("/invitation#");

  await row.getByRole("button", { name: `Actions for ${email}` }).click();
  await page.getByRole("menuitem", { name: "Revoke the invitation" }).click();
  await row.waitFor({ state: "detached" });
  const [event] = await world.events("invitation.revoke");
  expect(event).toMatchObject({ outcome: "success", actorKind: "operator" });
});
