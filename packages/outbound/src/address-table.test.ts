import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOutbound, OutboundError } from "./index.ts";
import type { Resolve } from "./dns.ts";
import { listen, type Listener, ok } from "./testing/listener.ts";

// Each row of the table of kinds of addresses in docs/outbound.md.

const page = readFileSync(new URL("../../../docs/outbound.md", import.meta.url), "utf8");
const heading = "| Address | In DNS | At save | At a request |";
const rows = (page.split(heading)[1]?.split("\n\n")[0] ?? "")
  .split("\n")
  .slice(2)
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  )
  .map(([address = "", dns = "", save = "", request = ""]) => ({ address, dns, save, request }));

/** Where a connection to this machine would arrive. */
let trap: Listener;
beforeAll(async () => {
  trap = await listen(ok);
});
afterAll(async () => {
  await trap.stop();
  if (trap.connections() > 0) throw new Error("A connection was opened to a private address.");
});

/** What the second column says: the answers one after the other, the last one from then on. */
function resolveAs(dns: string): Resolve {
  if (dns === "no answer") return () => Promise.reject(new Error("The server for names is silent."));
  const answers = dns.split(", then ").map((answer): readonly string[] => {
    if (answer === "none") return [];
    if (answer === "17 public ones") return Array.from({ length: 17 }, (_, i) => `2d00::${i + 1}`);
    return answer === "" ? ["93.184.215.14"] : answer.split(", ");
  });
  return () => Promise.resolve((answers.length > 1 ? answers.shift() : answers[0]) ?? []);
}

test("the table has rows for each code of a refusal", () => {
  const codes = ["NOT_A_URL", "NOT_HTTPS", "WRONG_PORT", "HAS_CREDENTIALS", "HAS_FRAGMENT", "IS_IP_ADDRESS"];
  codes.push("BAD_HOST", "INTERNAL_HOST", "NOT_PUBLIC", "NOT_RESOLVED", "good");
  expect(new Set(rows.map(({ save }) => save))).toEqual(new Set(codes));
  expect(rows.length).toBeGreaterThan(35);
});

test.for(rows)(
  "$address $dns: $save at save, $request at a request",
  async ({ address, dns, save, request }) => {
    // What may be connected to has the port of the trap in place of 443.
    const named =
      address === "https://hooks.example.com/" ? `https://hooks.example.com:${trap.port}/` : address;
    const outbound = createOutbound({
      resolve: resolveAs(dns),
      port: named === address ? undefined : trap.port,
      ownDomains: ["secrets.example"],
    });
    expect((await outbound.check(named))?.code ?? "good").toBe(save);
    const error: unknown = await outbound.fetch(named, { method: "POST", body: "x", timeoutMs: 1000 }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(OutboundError);
    expect(error).toMatchObject({ code: request });
  },
);
