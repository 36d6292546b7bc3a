import { expect, test } from "vitest";
import { contentOf, type AuditEntry, type AuditSubject } from "./event.ts";
import { createFailureCoalescer } from "./failure-coalescer.ts";

const refused: AuditEntry = {
  action: "secret.read",
  outcome: "denied",
  reason: "NOT_FOUND",
  companyId: "c",
};
const by = (id: string, address = "192.0.2.1", entry: Partial<AuditEntry> = {}) =>
  contentOf({ actor: { kind: "operator", id }, address }, { ...refused, ...entry });
const unknown = (id: string): AuditSubject => ({ actor: { kind: "anonymous", id }, address: "192.0.2.1" });

test("twenty attempts of a group in a minute have events of their own, and the others of that minute are counted", () => {
  const failures = createFailureCoalescer();
  const admitted = (nowMs: number) =>
    Array.from({ length: 100 }, (_, i) =>
      failures.admits(by("a", "192.0.2.1", { secretKey: `K${i}` }), nowMs, 1000 + i),
    ).filter(Boolean).length;
  expect(admitted(0)).toBe(20);
  expect(failures.takeCoalesced()).toMatchObject([
    {
      count: 80,
      firstAtMs: 1020,
      lastAtMs: 1099,
      content: { actorId: "a", companyId: "c", secretKey: null },
    },
  ]);
  expect([admitted(59_999), admitted(60_000)]).toEqual([0, 20]);
});

test("attempts of different actors, addresses, companies, actions, outcomes and reasons are counted apart", () => {
  const failures = createFailureCoalescer();
  for (let i = 0; i < 20; i++) failures.admits(by("a"), 0, 0);
  expect(failures.admits(by("a"), 0, 0)).toBe(false);
  for (const other of [
    by("b"),
    by("a", "192.0.2.2"),
    by("a", "192.0.2.1", { companyId: "d" }),
    by("a", "192.0.2.1", { action: "secret.write" }),
    by("a", "192.0.2.1", { outcome: "failed" }),
    by("a", "192.0.2.1", { reason: "FORBIDDEN" }),
  ]) {
    expect(failures.admits(other, 0, 0)).toBe(true);
  }
});

test("guesses of credentials are counted by address, whatever name each guess has", () => {
  const failures = createFailureCoalescer();
  const check: AuditEntry = { action: "credential.check", outcome: "denied", reason: "UNAUTHENTICATED" };
  const admitted = Array.from({ length: 1000 }, (_, i) =>
    failures.admits(contentOf(unknown(`prefix-${i}`), check), 0, 0),
  ).filter(Boolean).length;
  expect(admitted).toBe(20);
  expect(failures.takeCoalesced()).toMatchObject([
    { count: 980, content: { actorId: "*", address: "192.0.2.1" } },
  ]);
});

test("all addresses of one IPv6 network are one sender, and other networks are counted apart", () => {
  const failures = createFailureCoalescer();
  const admitted = (network: string) =>
    Array.from({ length: 1500 }, (_, i) =>
      failures.admits(by("a", `${network}:${i.toString(16)}::${i.toString(16)}`), 0, 0),
    ).filter(Boolean).length;
  expect(admitted("2001:db8:0:1")).toBe(20);
  expect(admitted("2001:db8:0:2")).toBe(20);
  expect(failures.takeCoalesced().map(({ count, content }) => [count, content.address])).toEqual([
    [1480, null],
    [1480, null],
  ]);
});

test("200,000 attempts of thousands of actors are counted exactly in bounded memory, also while nothing is committed", () => {
  const failures = createFailureCoalescer(100);
  let admitted = 0;
  for (let minute = 0; minute < 10; minute++) {
    for (let i = 0; i < 20_000; i++) {
      const each = by(`${minute}-${i % 800}`, `2001:db8:${i % 800}::1`, { companyId: `c${i % 400}` });
      if (failures.admits(each, minute * 60_000, 0)) admitted += 1;
    }
    expect(failures.waiting).toBeLessThanOrEqual(201);
  }
  const counts = failures.takeCoalesced();
  expect(counts.reduce((sum, { count }) => sum + count, admitted)).toBe(200_000);
  expect(counts.at(-1)).toMatchObject({ content: { actorKind: "operator", actorId: "*", address: null } });
});
