import { execFile } from "node:child_process";
import { operator } from "@repo/hono-api/testing";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { expectAccessible } from "./accessible.ts";
import { looks, screenshot } from "./looks.ts";
import { createWorld, expectNoOverflow, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const list = "/c/acmecorp/api-keys";
const rowsOf = (page: Page, text: string) => page.getByRole("row").filter({ hasText: text });
const keysOf = (company: string) => world.backends.secrets.admin.apiKeys.list(operator, company);

/** Fills the form for a key that reads the secrets whose names begin with STRIPE_. */
async function fill(page: Page, name: string): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("radio", { name: "By name or beginning" }).click();
  await page.getByLabel("Names or beginnings").fill("STRIPE_*");
  await page.getByText("Covers this one: STRIPE_SECRET_KEY").waitFor();
  await page.getByRole("button", { name: "Make the key" }).click();
}

/** What one would paste elsewhere: the pages themselves may not read it. */
async function pasted(page: Page): Promise<string> {
  const field = await page.evaluateHandle(() =>
    document.body.appendChild(document.createElement("textarea")),
  );
  await field.focus();
  await page.keyboard.press("ControlOrMeta+V");
  const text = await field.inputValue();
  await field.evaluate((element) => element.remove());
  return text;
}

/** The key that the page shows this once. From then on no page may keep it. */
async function shownKey(page: Page): Promise<string> {
  await page.getByText("It is shown this once").waitFor();
  const text = await page.locator("main code").textContent();
  await page.getByRole("button", { name: "Copy the API key" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await pasted(page);
  expect(copied).toBe(text);
  expect(copied).toMatch(/^tsk_/);
  return world.canary(copied);
}

async function shellLine(page: Page): Promise<string> {
  const text = await page.getByRole("region", { name: "Try it in a shell" }).locator("pre").textContent();
  return text ?? "";
}

/**
 * Runs a line of the page in a shell whose `curl` tells what it is given, since not each machine has one, and sends that.
 *
 * @param input what one would type
 */
async function sendLine(line: string, input: string) {
  const args = await new Promise<string[]>((resolve, reject) => {
    const shell = execFile("bash", ["-c", `curl() { printf '%s\\n' "$@"; }; ${line}`], (error, stdout) =>
      error === null ? resolve(stdout.trimEnd().split("\n")) : reject(error),
    );
    shell.stdin?.end(`${input}\n`);
  });
  const after = (flag: string) => args.flatMap((arg, i) => (arg === flag ? [args[i + 1] ?? ""] : []));
  const headers = after("-H").map((header): [string, string] => {
    const [name = "", value = ""] = header.split(": ");
    return [name, value];
  });
  const url = args.find((arg) => arg.startsWith("http")) ?? "";
  const [body = null] = after("-d");
  const response = await fetch(url, { method: "POST", headers, body });
  const answer: unknown = await response.json();
  return { status: response.status, text: JSON.stringify(answer) };
}

describe("an API key", () => {
  it("T54 Makes a key that reads STRIPE_* for 90 days, and uses it by the page's own line", async () => {
    const { page, open, person } = await world.admin("acmecorp");
    await open(list);
    await page.getByRole("link", { name: "New API key" }).click();
    await fill(page, "Payments");
    const key = await shownKey(page);
    const line = await shellLine(page);
    expect(line).not.toContain(key);

    const { status, text } = await sendLine(line, key);
    expect(status).toBe(200);
    expect(text).toContain("sk_test_fake");
    const [made] = await keysOf("acmecorp");
    expect(made).toMatchObject({ name: "Payments", verbs: ["use"], secretKeys: ["STRIPE_*"] });
    const days = (Number(made?.expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThanOrEqual(90.1);
    const [event] = await world.events("api-key.create");
    expect(event).toMatchObject({ actorId: person.userId, outcome: "success", subject: made?.id });
    // Events of reads are committed within 250 ms.
    const lastRead = async () => (await world.events("secret.read"))[0];
    const expected = { actorId: made?.id, secretKey: "STRIPE_SECRET_KEY", outcome: "success" };
    await expect.poll(lastRead).toMatchObject(expected);

    await page.getByRole("button", { name: "I have kept it" }).click();
    await rowsOf(page, "Payments").getByText("May read").waitFor();
    await expect.poll(async () => (await keysOf("acmecorp"))[0]?.lastUsedAt).toBeInstanceOf(Date);
    await page.reload();
    await rowsOf(page, "Payments").getByText("just now").waitFor();
  });

  it("T54 Leaving before it is kept asks, and a reload never shows the key again", async () => {
    const { page, open } = await world.admin("acmecorp");
    await open(`${list}/new`);
    await fill(page, "Left behind");
    const key = await shownKey(page);
    await page.getByRole("link", { name: "API keys" }).click();
    const dialog = page.getByRole("alertdialog", { name: "Have you copied the key?" });
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    expect(await page.getByText(key).count()).toBe(1);

    const asked: string[] = [];
    page.on("dialog", (question) => {
      asked.push(question.type());
      void question.accept();
    });
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "New API key" }).waitFor();
    expect(asked).toEqual(["beforeunload"]);
    expect(await page.getByText(key).count()).toBe(0);
  });

  it("T55 Rotates it with 24 h overlap, both work, and the old one is revoked", async () => {
    const { page, open } = await world.owner("acmecorp", { confirmed: true });
    await open(`${list}/new`);
    await fill(page, "Rotated");
    const old = await shownKey(page);
    await page.getByRole("button", { name: "I have kept it" }).click();
    await page.getByRole("button", { name: "Actions for Rotated" }).click();
    await page.getByRole("menuitem", { name: "Rotate…" }).click();
    await page.getByLabel("The old key still works for").selectOption("24 hours");
    await page.getByRole("button", { name: "Make the next key" }).click();
    const next = await shownKey(page);
    expect(next).not.toBe(old);
    const line = await shellLine(page);
    const uses = async () => [(await sendLine(line, old)).status, (await sendLine(line, next)).status];
    expect(await uses()).toEqual([200, 200]);

    await page.getByRole("button", { name: "I have kept it" }).click();
    const keys = (await keysOf("acmecorp")).filter(({ name }) => name === "Rotated");
    const ends = keys.map(({ expiresAt }) => expiresAt.getTime()).toSorted((a, b) => a - b);
    expect(((ends[0] ?? 0) - Date.now()) / 3_600_000).toBeCloseTo(24, 0);
    await rowsOf(page, "Rotated").filter({ hasText: "in 1 day" }).getByRole("button").click();
    await page.getByRole("menuitem", { name: "Revoke…" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("alertdialog").waitFor({ state: "hidden" });
    await rowsOf(page, "Rotated").getByText("Revoked", { exact: true }).waitFor();
    await expect.poll(uses).toEqual([401, 200]);
  });

  it("the form says what is missing, and sends nothing", async () => {
    const { page, open } = await world.admin("acmecorp");
    const before = await keysOf("acmecorp");
    await open(`${list}/new`);
    await page.getByRole("checkbox", { name: "Read values" }).click();
    await page.getByRole("button", { name: "Make the key" }).click();
    for (const text of ["Say which program will use it.", "Choose at least one.", "Pick at least one."]) {
      await page.getByText(text).waitFor();
    }
    await page.getByRole("radio", { name: "By name or beginning" }).click();
    await page.getByLabel("Names or beginnings").fill("STRIPE_*, *_KEY");
    await page.getByText("“*_KEY” is neither a secret key nor the beginning of one").waitFor();
    await page.getByLabel("Ends", { exact: true }).selectOption("On a date");
    await page.getByText("Choose a day within the next year.").waitFor();
    expect(await keysOf("acmecorp")).toHaveLength(before.length);
  });
});

it.each(["member", "auditor"] as const)("an %s sees neither the place nor the pages", async (role) => {
  const { page, open } = await world[role]("acmecorp");
  for (const address of [list, `${list}/new`]) {
    await open(address);
    await page.getByRole("heading", { name: "Not here, or not yours" }).waitFor();
  }
  expect(await page.getByRole("link", { name: "API keys" }).count()).toBe(0);
});

it.each(looks)(
  "the list and the key that is shown once fit in %s, and axe finds nothing",
  async (look, options) => {
    await world.backends.secrets.admin.apiKeys.create(operator, {
      name: "Everything ".repeat(9).trim(),
      companies: ["codewiser"],
      platform: true,
      verbs: ["describe", "use", "write", "delete", "export"],
      secretKeys: Array.from({ length: 12 }, (_, i) => `CUSTOM_A_RATHER_LONG_NAME_OF_A_SECRET_${i}`),
      addresses: ["192.0.2.0/24", "2001:db8::/32"],
      expiresAt: new Date(Date.now() + 40 * 86_400_000),
    });
    const { page, open } = await world.owner("codewiser", options);
    const expectFit = async (name: string): Promise<void> => {
      await expectNoOverflow(page);
      await screenshot(page, `api-keys-${name}-${look}`);
      await expectAccessible(page);
    };
    await open("/c/codewiser/api-keys");
    await page.getByText("Everything", { exact: false }).first().waitFor();
    await expectFit("list");
    await page.getByRole("link", { name: "New API key" }).click();
    await fill(page, `Shown in ${look}`);
    await page.getByText("It is shown this once").waitFor();
    await expectFit("shown");
  },
);
