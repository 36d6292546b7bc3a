import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { armor, Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const company = "acmecorp";
const label = "Contents of a .env or JSON file";

async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate((value) => navigator.clipboard.writeText(value), text);
  await page.getByLabel(label).focus();
  await page.keyboard.press("ControlOrMeta+V");
  await page.evaluate(() => navigator.clipboard.writeText(""));
}

async function api() {
  return (await world.client(company)).trpc;
}

/** As the API answers it to a program, to the byte. */
async function valueOf(secretKey: string): Promise<string> {
  return (await (await api()).secrets.read.mutate({ company, secretKey })).value;
}

async function write(secretKey: string, value: string): Promise<number> {
  return (await (await api()).secrets.write.mutate({ company, secretKey, value })).version;
}

const group = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

describe("an import", () => {
  it("T29 Pastes a .env with comments, quotes, a PEM, export, CRLF, a duplicate and an unknown name; sees each in its group with lines; corrects; imports in one commit", async () => {
    await write("CUSTOM_SAME", "fake-same-value-of-t29");
    const pem = "-----BEGIN FAKE KEY-----\nZmFrZSBvZiB0Mjk\n-----END FAKE KEY-----\n";
    const [key, quoted, first, second, misspelt] = [
      "sk_test_fake_imported_by_t29",
      "  fake quoted of t29 # no comment  ",
      "fake-first-of-two-t29",
      "fake-second-of-two-t29",
      "SG.fake_of_t29.fake_sendgrid_key_of_t29",
    ].map((value) => world.canary(value));
    const file = [
      "# What acmecorp gave us",
      `export STRIPE_SECRET_KEY=${key} # live soon`,
      `CUSTOM_QUOTED="${quoted}"`,
      `CUSTOM_PEM='${pem.replaceAll("\n", "\r\n")}'`,
      "CUSTOM_SAME=fake-same-value-of-t29",
      `CUSTOM_TWICE=${first}`,
      `CUSTOM_TWICE=${second}`,
      `SENDGRID_API_KY=${misspelt}`,
      "",
    ].join("\r\n");
    const { page, open, person } = await world.admin(company);
    await open(`/c/${company}/secrets/import`);
    await paste(page, file);
    await page.getByText("7 secrets").waitFor();
    await page.getByRole("button", { name: "Preview" }).click();

    await group(page, "Changed").getByText("STRIPE_SECRET_KEY").waitFor();
    expect(await group(page, "Changed").textContent()).toContain("line 2 ");
    const added = (await group(page, "Added").textContent()) ?? "";
    for (const text of [
      "CUSTOM_QUOTED",
      "line 3 ",
      "CUSTOM_PEM",
      "line 4 ",
      "3 lines",
      "CUSTOM_TWICE",
      "line 9 ",
    ]) {
      expect(added).toContain(text);
    }
    expect(await group(page, "Unchanged").textContent()).toContain("CUSTOM_SAME");
    const refused = group(page, "Refused");
    await refused.getByText("Line 9 gives a value to the same name.").waitFor();
    await refused
      .getByText("SENDGRID_API_KY is not in the catalogue: did you mean SENDGRID_API_KEY?")
      .waitFor();
    for (const value of [key, quoted, first, second, misspelt]) {
      expect(await page.content()).not.toContain(value);
    }

    await refused.getByRole("button", { name: "Use line 10 instead" }).click();
    await refused.getByText("Line 10 gives a value to the same name.").waitFor();
    await refused.getByRole("button", { name: "Use SENDGRID_API_KEY" }).click();
    await group(page, "Added").getByText("SENDGRID_API_KEY").waitFor();
    await page.getByLabel("Note").fill("From the hand-over");
    await page.getByRole("button", { name: "Write 5 secrets" }).click();
    await page.getByText("5 secrets written").waitFor();

    expect(await valueOf("STRIPE_SECRET_KEY")).toBe(key);
    expect(await valueOf("CUSTOM_QUOTED")).toBe(quoted);
    expect(await valueOf("CUSTOM_PEM")).toBe(pem);
    expect(await valueOf("CUSTOM_TWICE")).toBe(second);
    expect(await valueOf("SENDGRID_API_KEY")).toBe(misspelt);
    const events = (await world.events("secret.write")).filter(({ actorId }) => actorId === person.userId);
    expect(events.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => "success"));
    expect(new Set(events.map(({ requestId }) => requestId)).size).toBe(1);
    const { versions } = await (await api()).secrets.history.query({ company, secretKey: "CUSTOM_PEM" });
    expect(versions[0]).toMatchObject({ note: "From the hand-over" });
  });

  it("T30 Another person changes one of them between preview and commit: nothing is written, the preview is made again with that row marked", async () => {
    await write("CUSTOM_MOVED", "fake-before-of-t30");
    const mine = world.canary("fake-mine-of-t30-mine");
    const other = world.canary("fake-other-of-t30-other");
    const { page, open } = await world.admin(company);
    await open(`/c/${company}/secrets/import`);
    await paste(page, `CUSTOM_MOVED=${mine}\nCUSTOM_NEW=${other}\n`);
    await page.getByRole("button", { name: "Preview" }).click();
    await group(page, "Added").getByText("CUSTOM_NEW").waitFor();
    const theirs = await write("CUSTOM_MOVED", "fake-theirs-of-t30");

    await page.getByRole("button", { name: "Write 2 secrets" }).click();
    await page.getByText("Nothing was written: a secret was changed meanwhile").waitFor();
    const changed = group(page, "Changed").getByRole("listitem");
    expect(await changed.textContent()).toContain("Changed meanwhile");
    expect(await changed.textContent()).toContain(`version ${theirs} now`);
    expect(await group(page, "Added").textContent()).not.toContain("Changed meanwhile");
    expect(await valueOf("CUSTOM_MOVED")).toBe("fake-theirs-of-t30");
    const { secrets } = await (await api()).secrets.list.query({ company });
    expect(secrets.map(({ secretKey }) => secretKey)).not.toContain("CUSTOM_NEW");

    await page.getByLabel("CUSTOM_MOVED").click();
    await page.getByRole("button", { name: "Write 1 secret" }).click();
    await page.getByText("1 secret written").waitFor();
    expect(await valueOf("CUSTOM_NEW")).toBe(other);
    expect(await valueOf("CUSTOM_MOVED")).toBe("fake-theirs-of-t30");
  });

  it("takes a file, tells where it cannot be read, and reads what was corrected", async () => {
    const { page, open } = await world.admin(company);
    await open(`/c/${company}/secrets/import`);
    const choose = (content: string | Buffer) =>
      page
        .getByLabel("File to import")
        .setInputFiles({ name: ".env", mimeType: "", buffer: Buffer.from(content) });
    await choose(Buffer.from([0x41, 0x3d, 0xff, 0xfe]));
    await page.getByText("This file is not text in UTF-8.").waitFor();
    await choose(`A=${"x".repeat(524_288)}`);
    await page.getByText("A file has at most 512 KiB.").waitFor();
    await choose("CUSTOM_A='fake-open-quote\nCUSTOM_B=fake");
    await page.getByText("line 1, column 10: the quote that opens here is not closed.").waitFor();
    expect(await page.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true);
    await choose('{"CUSTOM_A":"fake-of-a-json-file","CUSTOM_B":"fake-of-a-json-file"}');
    await page.getByText("2 secrets").waitFor();
    await page.getByRole("button", { name: "Discard" }).click();
  });

  it.each(["the name of a new secret", "the page of the secrets"])(
    "takes lines of a file that were pasted into %s",
    async (place) => {
      const { page, open } = await world.admin(company);
      const isName = place.includes("name");
      await open(`/c/${company}/secrets${isName ? "/new" : ""}`);
      await page.evaluate(() =>
        navigator.clipboard.writeText("# fake\nCUSTOM_PASTED=fake-value-elsewhere\n"),
      );
      if (isName) await page.getByLabel("Secret key").focus();
      await page.keyboard.press("ControlOrMeta+V");
      await page.getByRole("heading", { level: 1, name: "Import secrets" }).waitFor();
      await group(page, "Added").getByText("CUSTOM_PASTED").waitFor();
      expect(page.url()).toBe(`${world.url}/c/${company}/secrets/import`);
      await page.getByRole("button", { name: "Back to the file" }).click();
      await page.getByRole("button", { name: "Discard" }).click();
    },
  );
});

describe("an export", () => {
  it("T31 Exports; the object URL is revoked; each value is an event", async () => {
    await write("STRIPE_WEBHOOK_SECRET", `whsec_${"fake".repeat(8)}`);
    const custom = await write("CUSTOM_EXPORTED", world.canary("fake-exported-of-t31"));
    const { page, open, person } = await world.admin(company, { confirmed: false });
    await page.addInitScript(() => {
      const urls: string[] = [];
      Reflect.set(globalThis, "urls", urls);
      const createObjectURL = URL.createObjectURL.bind(URL);
      const revokeObjectURL = URL.revokeObjectURL.bind(URL);
      URL.createObjectURL = (source) => {
        const url = createObjectURL(source);
        urls.push(`made ${url}`);
        return url;
      };
      URL.revokeObjectURL = (url) => {
        urls.push(`revoked ${url}`);
        revokeObjectURL(url);
      };
    });
    await open(`/c/${company}/secrets`);
    await page.getByRole("button", { name: "Export", exact: true }).click();
    expect(await page.getByRole("button", { name: "Download" }).isDisabled()).toBe(true);
    await page.getByRole("radio", { name: "In the clear" }).click();
    await page.getByLabel("Purpose").selectOption("Hand-over");
    await page.getByRole("button", { name: "Download" }).click();
    const confirmation = page.getByRole("dialog", { name: "Confirm that it is you" });
    await confirmation.getByLabel("Password").fill(person.password);
    await confirmation.getByLabel("Code").fill(person.backupCodes[0] ?? "");
    const downloading = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    const download = await downloading;
    expect(download.suggestedFilename()).toBe("acmecorp-secrets.env");
    const file = await readFile(await download.path(), "utf8");
    expect(file).toContain("CUSTOM_EXPORTED=fake-exported-of-t31\n");
    expect(file).not.toContain("STRIPE_WEBHOOK_SECRET");

    const dialog = page.getByRole("dialog", { name: "Export secrets" });
    const leftOut = dialog.getByRole("region", { name: "Left out" });
    expect(await leftOut.textContent()).toContain("STRIPE_WEBHOOK_SECRET is never shown to a person");
    const urls = await page.evaluate(() => String(Reflect.get(globalThis, "urls")));
    expect(urls).toMatch(/^made (blob:\S+),revoked \1$/);
    expect(page.url()).toBe(`${world.url}/c/${company}/secrets`);

    const events = (await world.events("secret.export")).filter(({ actorId }) => actorId === person.userId);
    const exported = events.filter(({ outcome }) => outcome === "success");
    expect(new Set(exported.map(({ secretKey }) => secretKey))).toEqual(
      new Set([...file.matchAll(/^([A-Z]\w+)=/gm)].map(([, name]) => name)),
    );
    expect(exported).toContainEqual(
      expect.objectContaining({ secretKey: "CUSTOM_EXPORTED", version: custom, reason: "hand-over" }),
    );
    await dialog.getByRole("button", { name: "Close" }).last().click();
  });

  it("is encrypted to a public key, with a receipt that the settings list and give again", async () => {
    const value = world.canary("fake-handed-over-in-a-browser");
    const version = await write("CUSTOM_HANDED", value);
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const { page, open, person } = await world.admin(company);
    await open(`/c/${company}/secrets`);
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Export secrets" });
    await dialog.getByLabel("Purpose").selectOption("Hand-over");
    const start = dialog.getByRole("button", { name: "Download" });

    const sent: string[] = [];
    page.on("request", (request) => sent.push(request.postData() ?? ""));
    await dialog.getByLabel("Recipients").fill(identity);
    await dialog.getByText("Recipient 1 is a private key. Do not use it any more").waitFor();
    expect(await start.isDisabled()).toBe(true);
    await dialog.getByLabel("Recipients").fill(`${recipient}\n${recipient}\n`);
    await dialog.getByText("Recipient 2 is the same as recipient 1").waitFor();
    expect(await start.isDisabled()).toBe(true);
    await dialog.getByLabel("Recipients").fill(`${recipient}\n`);

    const [download] = await Promise.all([page.waitForEvent("download"), start.click()]);
    expect(download.suggestedFilename()).toBe("acmecorp-secrets.env.age");
    const file = await readFile(await download.path(), "utf8");
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(await decrypter.decrypt(armor.decode(file), "text")).toContain(`CUSTOM_HANDED=${value}\n`);
    expect(sent.join()).not.toContain("AGE-SECRET-KEY");

    await dialog.getByText("Only its recipients can open it").waitFor();
    const [answered] = await Promise.all([
      page.waitForEvent("download"),
      dialog.getByRole("button", { name: "Download the receipt" }).click(),
    ]);
    const receipt = await readFile(await answered.path(), "utf8");
    await dialog.getByRole("button", { name: "Close" }).last().click();

    await open(`/c/${company}/settings`);
    const row = page.getByRole("region", { name: "Encrypted exports" }).getByRole("row").nth(1);
    expect(await row.textContent()).toContain(`${recipient.slice(0, 12)}…`);
    const [again] = await Promise.all([
      page.waitForEvent("download"),
      row.getByRole("button", { name: /^Download the receipt of / }).click(),
    ]);
    expect(await readFile(await again.path(), "utf8")).toBe(receipt);

    const content = JSON.parse(JSON.parse(receipt).receipt);
    expect(content).toMatchObject({
      exportedBy: `user ${person.userId}`,
      recipients: [recipient],
      file: { sha256: createHash("sha256").update(file).digest("hex") },
    });
    expect(content.secrets).toContainEqual({ secretKey: "CUSTOM_HANDED", version });
    const events = await world.events("secret.export");
    expect(events.filter(({ subject }) => subject === content.id)).toHaveLength(content.secrets.length);
  });
});
