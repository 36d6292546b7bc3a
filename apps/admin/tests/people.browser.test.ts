import { beforeAll, describe, expect, it } from "vitest";
import { linkIn } from "@repo/mail/inbox";
import { operator } from "@repo/hono-api/testing";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Page } from "playwright-core";
import { expectAccessible } from "./accessible.ts";
import type { Person } from "./people.ts";
import { looks, screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const people = (company: string) => `/c/${company}/people`;
const rowOf = (page: Page, text: string) => page.getByRole("row").filter({ hasText: text });

async function choose(page: Page, email: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `Actions for ${email}` }).click();
  await page.getByRole("menuitem", { name: item }).click();
}

async function invite(page: Page, email: string, role: string): Promise<void> {
  await page.getByRole("button", { name: "Invite a person" }).click();
  const dialog = page.getByRole("dialog", { name: "Invite a person" });
  await dialog.getByLabel("E-mail").fill(email);
  await dialog.getByRole("radio", { name: role }).click();
  await dialog.getByRole("button", { name: "Send invitation" }).click();
}

async function confirm(page: Page, { password, totpSecret }: Person): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.getByLabel("Password").fill(password);
  await dialog.getByLabel("Code").fill(await codeOf(totpSecret ?? "", 1));
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
}

const membersOf = (company: string) => world.backends.secrets.admin.members.list(operator, company);
const invitationsOf = (company: string) => world.backends.secrets.admin.invitations.list(operator, company);

describe("invitations", () => {
  it("T50 Invites, resends, revokes", async () => {
    const { page, open, person } = await world.admin("acmecorp");
    const email = "mia@acmecorp.example";
    await open(people("acmecorp"));
    await invite(page, email, "Auditor");
    await rowOf(page, email).getByText("Invited").waitFor();
    const link = linkIn(await world.inbox.mailTo(email));
    expect(await invitationsOf("acmecorp")).toMatchObject([{ email, role: "auditor" }]);
    const [created] = await world.events("invitation.create");
    expect(created).toMatchObject({ actorId: person.userId, outcome: "success", reason: "auditor" });

    await choose(page, email, "Send another link");
    await page.getByText(`Another link is on its way to ${email}.`).first().waitFor();
    await expect.poll(async () => linkIn(await world.inbox.mailTo(email))).not.toBe(link);

    await choose(page, email, "Revoke the invitation");
    // An open menu hides the rows from roles, and with them the one that is not revoked yet.
    await expect.poll(() => invitationsOf("acmecorp")).toEqual([]);
    await rowOf(page, email).waitFor({ state: "hidden" });
    const [revoked] = await world.events("invitation.revoke");
    expect(revoked).toMatchObject({ actorId: person.userId, outcome: "success" });
  });

  it("the address of a member is refused below the field, and a dialog that is closed changes nothing", async () => {
    const { page, open, person } = await world.admin("acmecorp", { confirmed: false });
    await open(people("acmecorp"));
    await invite(page, person.email, "Member");
    const confirmation = page.getByRole("dialog", { name: "Confirm that it is you" });
    await confirmation.getByText("Inviting a person needs a recent sign-in.").waitFor();
    await confirmation.getByRole("button", { name: "Close" }).click();
    await confirmation.waitFor({ state: "hidden" });
    const dialog = page.getByRole("dialog", { name: "Invite a person" });
    expect(await dialog.getByLabel("E-mail").inputValue()).toBe(person.email);
    await dialog.getByRole("button", { name: "Send invitation" }).click();
    await confirm(page, person);
    await dialog.getByText("This person belongs to the company already.").waitFor();
    expect(await invitationsOf("acmecorp")).toEqual([]);
  });
});

describe("members", () => {
  it("T51 Changes a role, and the other person's open page follows within 5 s", async () => {
    const owner = await world.owner("acmecorp", { confirmed: false });
    const other = await world.admin("acmecorp");
    await owner.open(people("acmecorp"));
    await rowOf(owner.page, "@acmecorp.example").first().waitFor();
    await choose(owner.page, other.person.email, "Change role…");
    const dialog = owner.page.getByRole("dialog", { name: /^Role of Pat/ });
    await dialog.getByRole("radio", { name: "Auditor" }).click();
    await dialog.getByRole("button", { name: "Change role" }).click();
    await owner.page.getByRole("dialog", { name: "Confirm that it is you" }).waitFor();
    // Last, so that it asks by itself at the earliest 20 s from here.
    await other.open(people("acmecorp"));
    await confirm(owner.page, owner.person);
    await dialog.waitFor({ state: "hidden" });
    const changedAt = Date.now();
    await rowOf(owner.page, other.person.email).getByText("Auditor").waitFor();

    // The other person works on: the pointer moves over their page.
    await expect
      .poll(
        async () => {
          await other.page.mouse.move(Math.random() * 400, 400);
          return other.page.getByRole("heading", { level: 1 }).textContent();
        },
        { timeout: 60_000 },
      )
      .toBe("Not here, or not yours");
    expect(Date.now() - changedAt).toBeLessThan(6000);
    expect(await other.page.getByRole("link", { name: "People" }).count()).toBe(0);
    const [event] = await world.events("member.change");
    expect(event).toMatchObject({
      actorId: owner.person.userId,
      subject: other.person.userId,
      reason: "auditor",
    });
  });

  it("T52 The last owner cannot leave, and is told why", async () => {
    const { page, open, person } = await world.owner("another-company");
    const others = await membersOf("another-company");
    await open(people("another-company"));
    for (const { userId, role } of others) {
      if (role === "owner" && userId !== person.userId)
        await world.backends.secrets.admin.members.remove(operator, "another-company", { userId });
    }
    await page.reload();
    for (const [item, title] of [
      ["Leave the company…", "Leave another-company?"],
      ["Change role…", "Your role"],
    ] as const) {
      await choose(page, person.email, item);
      const dialog = page.getByRole("dialog", { name: title });
      await dialog.getByText("A company needs an owner").waitFor();
      expect(await dialog.getByRole("button", { name: /^(Leave|Change role)$/ }).count()).toBe(0);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
    }
    expect(await membersOf("another-company")).toContainEqual(
      expect.objectContaining({ userId: person.userId, role: "owner" }),
    );
  });

  it("T52 An admin has no control over owners, and cannot make one", async () => {
    const owner = await world.owner("acmecorp");
    await owner.open(people("acmecorp"));
    await invite(owner.page, "future-owner@acmecorp.example", "Owner");
    await rowOf(owner.page, "future-owner@acmecorp.example").waitFor();
    const { page, open, person } = await world.admin("acmecorp");
    await open(people("acmecorp"));
    await rowOf(page, owner.person.email).waitFor();
    await rowOf(page, "future-owner@acmecorp.example").waitFor();
    expect(await rowOf(page, owner.person.email).getByRole("button").count()).toBe(0);
    expect(await rowOf(page, "future-owner@acmecorp.example").getByRole("button").count()).toBe(0);
    await page.getByRole("button", { name: "Invite a person" }).click();
    const roles = page.getByRole("dialog").getByRole("radio");
    expect(await roles.count()).toBe(3);
    expect(await page.getByRole("radio", { name: "Owner" }).count()).toBe(0);
    await page.keyboard.press("Escape");
    await choose(page, person.email, "Change role…");
    expect(await page.getByRole("radio", { name: "Owner" }).count()).toBe(0);
  });

  it("T53 Removing a person ends what their sessions may see there", async () => {
    const leaver = await world.signedIn(await world.person({ acmecorp: "admin", codewiser: "member" }));
    await leaver.open("/c/acmecorp/secrets");
    const { page, open } = await world.owner("acmecorp");
    await open(people("acmecorp"));
    await choose(page, leaver.person.email, "Remove…");
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove" }).click();
    await page.getByRole("alertdialog").waitFor({ state: "hidden" });
    await rowOf(page, leaver.person.email).waitFor({ state: "hidden" });
    expect((await membersOf("acmecorp")).map(({ userId }) => userId)).not.toContain(leaver.person.userId);

    await leaver.page.reload();
    await leaver.page.getByRole("heading", { name: "Not here, or not yours" }).waitFor();
    await leaver.page.getByRole("link", { name: "codewiser" }).click();
    await leaver.page.getByRole("heading", { name: "Secrets", exact: true }).waitFor();
  });

  it("a person whose sessions are ended is asked to sign in at their next call", async () => {
    const other = await world.member("acmecorp");
    await other.open("/companies");
    const { page, open } = await world.owner("acmecorp");
    await open(people("acmecorp"));
    await choose(page, other.person.email, "End sessions…");
    await page.getByRole("alertdialog").getByRole("button", { name: "End sessions" }).click();
    await page
      .getByText(/is signed out everywhere/)
      .first()
      .waitFor();
    await other.page.keyboard.press("Shift");
    await other.page.getByRole("dialog", { name: "The session has ended" }).waitFor();
    const [event] = await world.events("member.end-sessions");
    expect(event).toMatchObject({ subject: other.person.userId, outcome: "success" });
  });
});

it.each(["member", "auditor"] as const)("an %s sees neither the place nor the page", async (role) => {
  const { page, open } = await world[role]("acmecorp");
  await open(people("acmecorp"));
  await page.getByRole("heading", { name: "Not here, or not yours" }).waitFor();
  expect(await page.getByRole("link", { name: "People" }).count()).toBe(0);
});

it.each(looks)("people fit in %s, with names of a hundred letters", async (look, options) => {
  await world.backends.secrets.admin.members.add(operator, "codewiser", {
    email: `${"long".repeat(13)}-${look}@${"company".repeat(8)}.example`,
    name: "Maximiliane ".repeat(8).trim(),
    role: "member",
  });
  const { page, open, person } = await world.owner("codewiser", options);
  await open(people("codewiser"));
  await invite(page, "lou@codewiser.example", "Auditor");
  await page.getByText("lou@codewiser.example", { exact: true }).waitFor();
  await expectAccessible(page);
  await expectNoOverflow(page);
  await screenshot(page, `people-${look}`);
  await page.getByRole("button", { name: `Actions for ${person.email}` }).click();
  await screenshot(page, `people-menu-${look}`);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Invite a person" }).click();
  await page.getByRole("dialog").waitFor();
  await expectAccessible(page);
  await screenshot(page, `people-invite-${look}`);
});
