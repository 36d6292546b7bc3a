import { connectSignInDatabase } from "@repo/db";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const company = "acmecorp";
const stripe = "STRIPE_SECRET_KEY";
const formOf = (secretKey: string) => `/c/${company}/secrets/new/${secretKey}`;
const saveButton = (page: Page) => page.getByRole("button", { name: /^(Save|Stage) as version \d+$/ });

async function paste(page: Page, label: string, text: string): Promise<void> {
  await page.evaluate((value) => navigator.clipboard.writeText(value), text);
  await page.getByLabel(label, { exact: true }).focus();
  await page.keyboard.press("ControlOrMeta+V");
  await page.evaluate(() => navigator.clipboard.writeText(""));
}

/** What the page said last, and is gone from the form. */
async function saved(page: Page, secretKey: string): Promise<void> {
  await page
    .getByText(new RegExp(`^${secretKey} was (saved|staged) as version`))
    .first()
    .waitFor();
}

async function described(secretKey: string) {
  const { trpc } = await world.client(company);
  const { secrets } = await trpc.secrets.list.query({ company });
  return secrets.find((secret) => secret.secretKey === secretKey);
}

async function historyOf(secretKey: string) {
  const { trpc } = await world.client(company);
  return (await trpc.secrets.history.query({ company, secretKey })).versions;
}

/** As the API answers it to a program, to the byte. */
async function valueOf(secretKey: string): Promise<string> {
  const { trpc } = await world.client(company);
  return (await trpc.secrets.read.mutate({ company, secretKey })).value;
}

async function write(secretKey: string, value: string): Promise<number> {
  const { trpc } = await world.client(company);
  return (await trpc.secrets.write.mutate({ company, secretKey, value })).version;
}

async function endSessions(userId: string): Promise<void> {
  const database = connectSignInDatabase(world.backends.database.urls.signIn);
  await database.call((statements) =>
    statements.execute(`delete from sign_in.sessions where user_id = '${userId}'`),
  );
  await database.close();
}

describe("a value that is replaced", () => {
  it("T19 Replaces a Stripe key: paste, Enter", async () => {
    const before = await described(stripe);
    const { page, open, person } = await world.admin(company);
    const value = world.canary("sk_test_fake_replaced_by_paste_4242");
    await open(`/c/${company}/secrets`);
    await page.getByRole("link", { name: stripe }).click();
    const panel = page.getByRole("complementary", { name: stripe });
    await panel.getByRole("button", { name: "Replace value" }).click();
    await page.getByLabel("Keep the old value valid").selectOption("For 24 hours");
    await paste(page, "New value", value);
    await page.keyboard.press("Enter");
    await saved(page, stripe);

    const after = await described(stripe);
    expect(after?.version).toBe((before?.version ?? 0) + 1);
    expect(after).toMatchObject({ lastFour: "4242", check: { result: "accepted" } });
    const hours = (Number(after?.previousUntil) - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(23.9);
    expect(hours).toBeLessThanOrEqual(24);
    expect(await valueOf(stripe)).toBe(value);
    const [event] = await world.events("secret.write");
    expect(event).toMatchObject({ actorId: person.userId, outcome: "success", secretKey: stripe });
    await panel.getByText("Works").waitFor();
    await panel.getByText(/^valid for programs until/).waitFor();
    await panel.getByRole("button", { name: "Replace value" }).click();
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe("");
  });

  it("T20 A rejected key is not saved and says so, and can be saved as pending", async () => {
    const before = await described(stripe);
    const { page, open } = await world.admin(company);
    const value = world.canary("sk_test_fake_revoked_key_of_t20");
    await open(formOf(stripe));
    await paste(page, "New value", value);
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Stripe rejects this value").waitFor();
    expect(await described(stripe)).toMatchObject({ version: before?.version });

    await page.getByRole("button", { name: "Save anyway, as pending" }).click();
    await saved(page, stripe);
    const after = await described(stripe);
    expect(after).toMatchObject({ version: before?.version, pendingVersion: (before?.lastVersion ?? 0) + 1 });
    const { trpc } = await world.client(company);
    await trpc.secrets.discard.mutate({ company, secretKey: stripe });
  });

  it("T20 A provider that cannot be asked is named, and the value is saved unchecked", async () => {
    const { page, open } = await world.admin(company);
    const value = world.canary("SG.fake_of_t20.fake_sendgrid_key_of_t20");
    await open(formOf("SENDGRID_API_KEY"));
    await paste(page, "Value", value);
    await page.keyboard.press("Enter");
    await page.getByText("SendGrid could not be asked whether the value works.").waitFor();
    expect(await described("SENDGRID_API_KEY")).toMatchObject({ version: 1, check: { result: "unknown" } });
    expect(await valueOf("SENDGRID_API_KEY")).toBe(value);
  });

  it("T21 OAuth client as two fields; a pasted JSON fills both", async () => {
    const { page, open } = await world.admin(company);
    const clientSecret = world.canary("fake-client-secret-of-t21");
    await open(formOf("OAUTH_GOOGLE"));
    await paste(page, "Client ID", `{ "clientId": "fake-client-id", "clientSecret": "${clientSecret}" }`);
    expect(await page.getByLabel("Client ID").inputValue()).toBe("fake-client-id");
    expect(await page.getByLabel("Client secret", { exact: true }).inputValue()).toBe(clientSecret);
    await page.keyboard.press("Enter");
    await saved(page, "OAUTH_GOOGLE");
    expect(JSON.parse(await valueOf("OAUTH_GOOGLE"))).toEqual({ clientId: "fake-client-id", clientSecret });
  });

  it("T22 A value with a trailing newline: asked, kept exactly when so chosen", async () => {
    const { page, open } = await world.admin(company);
    const pem = "-----BEGIN FAKE KEY-----\nZmFrZSBvZiB0MjI\n-----END FAKE KEY-----\n";
    for (const [choice, secretKey, stored] of [
      ["Keep it", "CUSTOM_KEPT", pem],
      ["Remove it", "CUSTOM_REMOVED", pem.trimEnd()],
    ] as const) {
      await open(formOf(secretKey));
      await paste(page, "Value", pem);
      await page.getByText("The value ends with a line break: keep it or remove it?").waitFor();
      expect(await page.getByRole("button", { name: "Add secret" }).isDisabled()).toBe(true);
      await page.keyboard.press("ControlOrMeta+Enter");
      expect(await described(secretKey)).toBeUndefined();
      await page.getByRole("button", { name: choice }).click();
      await page.getByRole("button", { name: "Add secret" }).click();
      await saved(page, secretKey);
      expect(await valueOf(secretKey)).toBe(stored);
    }
  });

  it("T23 65,537 bytes, NUL, empty and a mask are refused before sending, with the rule", async () => {
    const { page, open } = await world.admin(company);
    const sent: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().includes("/trpc/secrets.")) sent.push(request.url());
    });
    await open(formOf("CUSTOM_T23"));
    const field = page.getByLabel("Value", { exact: true });
    for (const [value, rule] of [
      ["", "A value is not empty"],
      ["••••••••", "A value is not the mask that is shown in place of one."],
      ["fake\0nul", "A value has no NUL character."],
      ["é".repeat(32_768) + "x", "A value is at most 65536 bytes long; this one has 65537."],
    ] as const) {
      await field.fill(value);
      await page.getByRole("button", { name: "Add secret" }).click();
      await page.getByText(rule).waitFor();
      expect(await field.getAttribute("aria-invalid")).toBe("true");
    }
    await field.fill("é".repeat(32_768));
    await page.getByText("65,536 bytes").waitFor();
    expect(await field.getAttribute("aria-invalid")).toBe("false");
    expect(sent).toEqual([]);
    await page.getByRole("button", { name: "Discard draft" }).click();
  });

  it("T24 The field of a value has every attribute that keeps browsers and password managers away", async () => {
    const { page, open } = await world.admin(company);
    await open(formOf(stripe));
    const field = page.getByLabel("New value", { exact: true });
    const found = await field.evaluate((element) => ({
      ...Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value])),
      mask: getComputedStyle(element).getPropertyValue("-webkit-text-security"),
    }));
    expect(found).toMatchObject({
      autocomplete: "off",
      autocapitalize: "none",
      autocorrect: "off",
      spellcheck: "false",
      translate: "no",
      "data-1p-ignore": "",
      "data-op-ignore": "",
      "data-lpignore": "true",
      "data-bwignore": "",
      "data-protonpass-ignore": "true",
      "data-form-type": "other",
      mask: "disc",
    });
    expect(Object.keys(found)).not.toContain("name");
    await paste(page, "New value", "fake-value-of-t24");
    expect(await page.content()).not.toContain("fake-value-of-t24");
    expect(await page.locator("input[type=password], input[name], textarea[name]").count()).toBe(0);
    await page.getByRole("button", { name: "Discard draft" }).click();
  });
});

describe("a draft", () => {
  it("T25 The network is cut in the middle of a save: draft stays, retry applies once", async () => {
    const before = await described(stripe);
    const { page, open } = await world.admin(company);
    const value = world.canary("sk_test_fake_cut_in_the_middle_t25");
    await open(formOf(stripe));
    await paste(page, "New value", value);
    await page.route("**/trpc/secrets.write*", async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.keyboard.press("Enter");
    await page.getByText("We do not know whether it was saved").waitFor();
    const once = { version: (before?.lastVersion ?? 0) + 1 };
    expect(await described(stripe)).toMatchObject(once);
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe(value);

    await page.unroute("**/trpc/secrets.write*");
    await page.getByRole("button", { name: "Save again" }).click();
    await saved(page, stripe);
    expect(await described(stripe)).toMatchObject(once);
    expect(await valueOf(stripe)).toBe(value);
  });

  it("T25 A save that did not arrive is told from one that did, and saved once", async () => {
    const before = await described(stripe);
    const { page, open } = await world.admin(company);
    await open(formOf(stripe));
    await paste(page, "New value", world.canary("sk_test_fake_never_arrived_t25"));
    await page.route("**/trpc/secrets.write*", (route) => route.abort());
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Check again" }).click();
    await page.getByText("It was not saved").waitFor();
    await page.unroute("**/trpc/secrets.write*");
    await page.getByRole("button", { name: "Save again" }).click();
    await saved(page, stripe);
    expect(await described(stripe)).toMatchObject({ version: (before?.version ?? 0) + 1 });
  });

  it("outlives its page, is asked about before the window closes, and ends when it is discarded", async () => {
    const { page, open } = await world.admin(company);
    const value = world.canary("sk_test_fake_draft_that_stays");
    await open(formOf(stripe));
    await paste(page, "New value", value);
    await page.getByRole("button", { name: "Close, keep draft" }).click();
    await page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();
    const asked = page.waitForEvent("dialog");
    await page.evaluate(() => setTimeout(() => location.reload()));
    const dialog = await asked;
    expect(dialog.type()).toBe("beforeunload");
    await dialog.dismiss();
    await page.goBack();
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe(value);
    await page.getByRole("button", { name: "Discard draft" }).click();
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe("");
    await page.reload();
  });

  it("is asked about before one leaves the secrets of the company, and stays", async () => {
    const { page, open } = await world.admin(company);
    const value = world.canary("sk_test_fake_draft_of_one_who_leaves");
    await open("/companies");
    await page.getByRole("main").getByRole("link", { name: company }).click();
    await page.getByRole("link", { name: "Add secret" }).click();
    await page.getByLabel("Secret key").fill("CUSTOM_LEFT");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Add secret" }).waitFor();
    await paste(page, "Value", value);
    await page.evaluate(() => history.go(-3));
    const dialog = page.getByRole("dialog", { name: "CUSTOM_LEFT is not saved" });
    await dialog.getByRole("button", { name: "Stay" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(page.url()).toBe(world.url + formOf("CUSTOM_LEFT"));
    expect(await page.getByLabel("Value", { exact: true }).inputValue()).toBe(value);
    await page.getByRole("button", { name: "Discard draft" }).click();
  });

  it("T66 stays when the session is revoked while the page is open, and is saved after the sign-in", async () => {
    const { page, open, person } = await world.admin(company);
    const value = world.canary("sk_test_fake_draft_of_ended_session");
    await open(formOf(stripe));
    await paste(page, "New value", value);
    await endSessions(person.userId);
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Password").fill(person.password);
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Use a backup code" }).click();
    await dialog.getByLabel("Backup code").fill(person.backupCodes[0] ?? "");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe(value);
    await saveButton(page).click();
    await saved(page, stripe);
    expect(await valueOf(stripe)).toBe(value);
  });
});

describe("two people at one secret", () => {
  async function conflict(mine: string, theirs: string) {
    const lou = await world.person({ [company]: "admin" });
    const pat = await world.admin(company);
    await pat.open(formOf(stripe));
    await paste(pat.page, "New value", mine);
    const other = await world.signedIn(lou);
    await other.open(formOf(stripe));
    await paste(other.page, "New value", theirs);
    await other.page.getByLabel("Note").fill("Rotated after the audit");
    await other.page.getByLabel("Note").press("Enter");
    await saved(other.page, stripe);
    await pat.page.getByLabel("New value", { exact: true }).press("Enter");
    await pat.page.getByRole("region", { name: "Two changes of the same secret" }).waitFor();
    const { version } = (await described(stripe)) ?? { version: 0 };
    return { ...pat, lou, version };
  }

  it("T26 Two tabs: the second save shows theirs beside mine, and mine becomes the next version", async () => {
    const mine = world.canary("sk_test_fake_mine_of_t26_1111");
    const { page, version, lou } = await conflict(mine, world.canary("sk_test_fake_theirs_of_t26_2222"));
    const theirs = page.getByRole("region", { name: `Theirs: version ${version}` });
    const [made] = await historyOf(stripe);
    expect(made?.actor.id).toBe(lou.userId);
    const text = await theirs.textContent();
    expect(text).toContain(made?.actor.name);
    expect(text).toContain("2222");
    expect(text).toContain("Rotated after the audit");
    const own = await page.getByRole("region", { name: "Yours: not saved" }).textContent();
    expect(own).toContain("29 bytes");
    expect(own).toContain("1111");

    await page.getByRole("button", { name: "Are they the same?" }).click();
    await page.getByText("They are different values.").waitFor();
    const [compared] = await world.events("secret.compare");
    expect(compared).toMatchObject({ secretKey: stripe, version, outcome: "success" });

    await page.getByRole("button", { name: `Save mine as version ${version + 1}` }).click();
    await saved(page, stripe);
    expect(await valueOf(stripe)).toBe(mine);
  });

  it("T26 Two tabs: keeping theirs discards mine; going back keeps what was typed", async () => {
    const mine = world.canary("sk_test_fake_mine_of_t26_3333");
    const theirs = world.canary("sk_test_fake_theirs_of_t26_4444");
    const { page, version } = await conflict(mine, theirs);
    await page.getByRole("button", { name: "Back to my value" }).click();
    expect(await page.getByLabel("New value", { exact: true }).inputValue()).toBe(mine);
    await write(stripe, theirs);
    await page.getByLabel("New value", { exact: true }).press("Enter");
    await page.getByRole("button", { name: "Keep theirs" }).click();
    await page.getByRole("heading", { level: 1, name: "Secrets", exact: true }).waitFor();
    expect(await valueOf(stripe)).toBe(theirs);
    expect(await described(stripe)).toMatchObject({ version: version + 1 });
  });
});

it("In Infisical a value is replaced without what its store lacks, which the page names", async () => {
  const { page, open } = await world.admin("codewiser");
  await open(`/c/codewiser/secrets/new/${stripe}`);
  await page.getByText("Not in Infisical: notes, overlaps, staging, expiry, checks.").waitFor();
  expect(await page.getByLabel("Note").count()).toBe(0);
  expect(await page.getByLabel("Stage for later").count()).toBe(0);
  const value = world.canary("sk_test_fake_replaced_in_infisical");
  await paste(page, "New value", value);
  await page.keyboard.press("Enter");
  await saved(page, stripe);
  const { trpc } = await world.client("codewiser");
  expect((await trpc.secrets.read.mutate({ company: "codewiser", secretKey: stripe })).value).toBe(value);
  await open("/c/codewiser/secrets/new/CUSTOM_ENDS");
  await paste(page, "Value", "fake-with-a-line-break\n");
  await page.getByText("The value ends with a line break, which does not belong to it").waitFor();
  expect(await page.getByRole("button", { name: "Keep it" }).count()).toBe(0);
  await page.getByRole("button", { name: "Discard draft" }).click();
});

it("An auditor is told who can add, and is asked for nothing", async () => {
  const { page, open } = await world.auditor(company);
  for (const [address, told] of [
    [formOf(stripe), "Owners, admins and members can add secrets."],
    [`/c/${company}/secrets/import`, "Owners, admins and members can import secrets."],
  ] as const) {
    await open(address);
    await page.getByText(told).waitFor();
    expect(await page.locator("textarea").count()).toBe(0);
  }
});

describe("a value that is made or waits", () => {
  it("T27 Generates a signing secret, reveals it once to hand it over", async () => {
    const { page, open, person } = await world.admin(company);
    await open(formOf("WEBHOOK_SIGNING_SECRET"));
    const answers: Promise<string>[] = [];
    const sent: string[] = [];
    page.on("request", (request) => sent.push(request.postData() ?? ""));
    page.on("response", (response) => void answers.push(response.text().catch(() => "")));
    await page.getByRole("button", { name: "Generate a value instead" }).click();
    await page.getByRole("button", { name: "Generate, and add secret" }).click();
    await saved(page, "WEBHOOK_SIGNING_SECRET");
    const value = world.canary(await valueOf("WEBHOOK_SIGNING_SECRET"));
    expect(value).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect([...(await Promise.all(answers)), ...sent].join("")).not.toContain(value);
    expect(sent.join("")).toContain("WEBHOOK_SIGNING_SECRET");
    const [made] = await historyOf("WEBHOOK_SIGNING_SECRET");
    expect(made).toMatchObject({ version: 1, actor: { id: person.userId } });

    const panel = page.getByRole("complementary", { name: "WEBHOOK_SIGNING_SECRET" });
    await panel.getByLabel("Purpose").selectOption("Hand-over");
    await panel.getByRole("button", { name: "Reveal" }).click();
    await panel.getByText(value).waitFor();
    await panel.getByRole("button", { name: "Hide" }).click();
    await panel.getByText(value).waitFor({ state: "detached" });
    const reveals = (await world.events("secret.reveal")).filter(({ actorId }) => actorId === person.userId);
    expect(reveals).toEqual([
      expect.objectContaining({ version: 1, reason: "hand-over", outcome: "success" }),
    ]);
  });

  it("T28 Stages a value, sees both, promotes with a window; discards another", async () => {
    const secretKey = "CUSTOM_T28";
    await write(secretKey, "fake_current_value_of_t28_1111");
    const { page, open } = await world.admin(company);
    const staged = world.canary("fake_pending_value_of_t28_2222");
    const stage = async (value: string) => {
      await open(formOf(secretKey));
      await paste(page, "New value", value);
      await page.getByLabel("Stage for later").click();
      await saveButton(page).click();
      await saved(page, secretKey);
      await open(formOf(secretKey));
    };
    await stage(staged);
    expect(await valueOf(secretKey)).toBe("fake_current_value_of_t28_1111");
    const pending = page.getByRole("region", { name: "Pending version" });
    await pending.getByRole("region", { name: "Current: version 1" }).getByText("1111").waitFor();
    await pending.getByRole("region", { name: "Pending: version 2" }).getByText("2222").waitFor();
    await pending.getByRole("button", { name: "Promote version 2" }).click();
    await pending.getByLabel("Keep version 1 valid").selectOption("For 1 hour");
    await pending.getByRole("button", { name: "Make version 2 current" }).click();
    await pending.waitFor({ state: "detached" });
    expect(await valueOf(secretKey)).toBe(staged);
    const minutes = (Number((await described(secretKey))?.previousUntil) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(59);
    expect(minutes).toBeLessThanOrEqual(60);

    await stage(world.canary("fake_discarded_value_of_t28_3333"));
    await pending.getByRole("button", { name: "Discard it" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Discard version 3" }).click();
    await page.getByText(`Version 3 of ${secretKey} was discarded`).first().waitFor();
    expect(await valueOf(secretKey)).toBe(staged);
    const [discarded] = await historyOf(secretKey);
    expect(discarded).toMatchObject({ version: 3, destroyedAt: expect.any(Date) });
  });
});
