import { expect, it } from "vitest";
import { createCanary } from "./canary.ts";

const canary = createCanary("sk_test_fake_");
const { text } = canary;
const bytes = Buffer.from(`before ${text} after`);

it.each([
  ["as it is", `a ${text} b`],
  ["in base64, wherever it begins", Buffer.from(`x${text}y`).toString("base64")],
  ["in base64url", Buffer.from(`xy${text}`).toString("base64url")],
  ["in hex, as PostgreSQL shows bytes", `\\x${bytes.toString("hex")}`],
  ["backwards", bytes.toString().split("").toReversed().join("")],
  ["as a list of bytes", JSON.stringify([...bytes])],
  ["in JSON in JSON", JSON.stringify(JSON.stringify({ text }))],
  ["in a URL", `https://example.com/?a=${encodeURIComponent(text)}`],
])("is found %s", (_, haystack) => {
  expect(canary.formsIn(haystack)).not.toEqual([]);
});

it("is not found where it is not", () => {
  expect(canary.formsIn(createCanary("sk_test_fake_").text)).toEqual([]);
});
