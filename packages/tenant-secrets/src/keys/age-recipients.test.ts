import { armor, Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { expect, test } from "vitest";
import { encryptToRecipients } from "./age-recipients.ts";

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);

// Around the lines of the armor, the parts that it is made in, and the chunks of the format.
test.each([0, 1, 47, 48, 49, 49_151, 49_152, 65_535, 65_536, 65_537, 1_000_000])(
  "a file of %i bytes is armored as the library does it, and opens",
  async (size) => {
    const plaintext = Buffer.alloc(size, "fake ");
    const file = await encryptToRecipients(plaintext, [recipient]);
    const encrypted = armor.decode(file);
    expect(armor.encode(encrypted) === file).toBe(true);
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(plaintext.equals(await decrypter.decrypt(encrypted))).toBe(true);
  },
);

test("a file of 16 MiB is encrypted while other work of the process goes on", async () => {
  let turns = 0;
  const working = setInterval(() => (turns += 1), 1);
  await encryptToRecipients(Buffer.alloc(16 * 1024 * 1024), [recipient]);
  clearInterval(working);
  expect(turns).toBeGreaterThan(50);
});
