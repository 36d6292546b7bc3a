import { afterEach, expect, test, vi } from "vitest";
import { startFixture } from "../testing/fixture.ts";
import { createReplay, recordedExchanges } from "./replay.ts";
import type { Exchange } from "./replay.ts";

// Some two hundred exchanges in turn; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 30_000 });

/** The exchanges that are not compared, with the reason. */
const leftOut: Readonly<Record<string, string>> = {
  "list by workspaceSlug": "the slug of a project is random here, and no answer tells that of the first one",
  "concurrent create folder, same name #4": "which of three twins it answers with is chance",
  "project version 1 (no bot): list secrets": "projects of the generation before have no counterpart here",
};

afterEach(() => vi.useRealTimers());

/** Lines that were sent at the same time stand together. */
function rounds(exchanges: readonly Exchange[]): Exchange[][] {
  const found: Exchange[][] = [];
  for (const exchange of exchanges) {
    const last = found.at(-1);
    if (exchange.together === true && last !== undefined) last.push(exchange);
    else found.push([exchange]);
  }
  return found;
}

const byStatus = (a: { status: number }, b: { status: number }) => a.status - b.status;

test("answers what a server of October 2024 was asked as that server did", async () => {
  vi.useFakeTimers({ toFake: ["Date"], shouldAdvanceTime: false });
  const hourMs = 3_600_000;
  await using fixture = await startFixture({
    emulator: { generation: "older", projectId: "recorded-project" },
  });
  const { emulator } = fixture;
  const ttl = (tokenTtlMs: number, tokenMaxTtlMs: number) =>
    emulator.addIdentity({ tokenTtlMs, tokenMaxTtlMs });
  const replay = createReplay(emulator, {
    admin: emulator,
    outsider: emulator.outsider,
    seed: emulator.outsider,
    viewer: await emulator.addIdentity({ isReadOnly: true }),
    renewable: await ttl(600_000, hourMs),
    limitedUse: await emulator.addIdentity({ tokenUses: 3 }),
    shortTtl: await ttl(3_000, 720 * hourMs),
    shortMaxTtl: await ttl(3_000, 3_000),
  });
  const compared: string[] = [];
  const exchanges = recordedExchanges.filter(
    ({ name, server }) => !(name in leftOut) && server === undefined,
  );
  for (const round of rounds(exchanges)) {
    vi.setSystemTime(Date.now() + (round[0]?.afterMs ?? 1));
    if (round.length > 1) emulator.faults.add({ kind: "race" }, { times: round.length });
    const answers = await Promise.all(round.map((exchange) => replay.send(exchange)));
    const sorted = answers.toSorted(byStatus);
    for (const [index, exchange] of round.toSorted(byStatus).entries()) {
      const answer = sorted[index];
      if (answer === undefined) throw new Error("no answer");
      const told = {
        name: exchange.name,
        status: answer.status,
        answer: replay.inRecordedWords(exchange, answer),
      };
      expect(told).toEqual({ name: exchange.name, status: exchange.status, answer: exchange.answer });
      compared.push(exchange.name);
    }
  }
  // Each one is either compared or left out, but for the two of the next test.
  const here = recordedExchanges.filter(({ server }) => server === undefined).map(({ name }) => name);
  expect([...compared, ...Object.keys(leftOut)].toSorted()).toEqual(here.toSorted());
});

test("says that the rate limit is passed as that server did", async () => {
  // The minute of the limit stands still.
  vi.useFakeTimers({ toFake: ["Date"], shouldAdvanceTime: false });
  const limit = 40;
  await using fixture = await startFixture({
    emulator: { generation: "older", projectId: "recorded-project", requestsPerMinute: limit },
  });
  const { emulator } = fixture;
  const replay = createReplay(emulator, { admin: emulator });
  const named = (wanted: string) => {
    const exchange = recordedExchanges.find(({ name }) => name === wanted);
    if (exchange === undefined) throw new Error(`${wanted} was not recorded`);
    return exchange;
  };
  const preparation = ["login ok", "create folder /tenants/codewiser", "create secret", "update secret"];
  for (const wanted of [...preparation, "update secret: same value"]) await replay.send(named(wanted));

  const [first, last] = recordedExchanges.filter(({ server }) => server === "limited");
  if (first === undefined || last === undefined) throw new Error("not recorded");
  const answered = async (exchange: Exchange) => {
    const answer = await replay.send(exchange);
    const headers = Object.keys(exchange.headers ?? {}).map((name) => [name, answer.headers.get(name)]);
    const body = replay.inRecordedWords(exchange, answer);
    return { status: answer.status, headers: Object.fromEntries(headers), answer: body };
  };
  const recordedOf = ({ status, headers, answer }: Exchange) => ({ status, headers, answer });
  expect(await answered(first)).toEqual(recordedOf(first));
  for (const _ of Array(limit - 1)) await replay.send(first);
  expect(await answered(last)).toEqual(recordedOf(last));
});
