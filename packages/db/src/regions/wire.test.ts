import { rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { copyCertificates } from "../testing/tls-server.ts";
import {
  allow,
  makeCompany,
  type PlainServer,
  type RegionServer,
  replicate,
  type Replication,
  startRegion,
  startServer,
  writeSecret,
} from "../testing/two-regions.ts";
import { startWire, type Wire } from "../testing/wire.ts";
import { readTargetState } from "./status.ts";
import { resyncCopies, subscribeToCopies } from "./subscribe.ts";

// A machine between the export and the target, which sees what passes, and may answer in the export's place.

const route = { home: "eu", target: "us" };
const polling = { timeout: 60_000, interval: 50 };

let home: RegionServer & { stop(): Promise<void> };
let target: RegionServer & { stop(): Promise<void> };
let exporting: PlainServer;
let replication: Replication;
let certificates: string;
let honest: Wire;
let denying: Wire;
/** May be in us. */
let allowed: string;
/** May not be. */
let pinned: string;
let writes = 0;

beforeAll(async () => {
  certificates = copyCertificates();
  const tls = {
    ssl: "on",
    ssl_cert_file: path.join(certificates, "server.pem"),
    ssl_key_file: path.join(certificates, "fake-server-key.pem"),
  };
  [home, target, exporting] = await Promise.all([startRegion(), startRegion(), startServer(tls)]);
  replication = await replicate({ home, exporting, target }, route);
  honest = await startWire(exporting.server.port);
  denying = await startWire(exporting.server.port, { deniesTls: true });
  pinned = await makeCompany(home, "eu", "canary-of-the-pinned");
  allowed = await makeCompany(home, "eu", "canary-of-the-allowed");
  await allow(home, allowed, "us");
}, 180_000);

beforeEach(async () => {
  honest.empty();
  denying.empty();
});

afterAll(async () => {
  await replication.exportSql.end({ timeout: 1 });
  await Promise.all([home.stop(), target.stop(), exporting.stop()]);
  await Promise.all([honest.stop(), denying.stop()]);
  rmSync(certificates, { recursive: true, force: true });
}, 60_000);

function urlBy(wire: Wire, parameters: Readonly<Record<string, string>>): string {
  const url = new URL(replication.exportUrl);
  url.port = String(wire.port);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Makes the target take its copies by way of a wire. */
const subscribeBy = (...by: Parameters<typeof urlBy>) => subscribeToCopies(target.own, route, urlBy(...by));

/** Writes a secret of each company. @returns what the copy of the allowed one's has in its body */
async function writeBoth(): Promise<string> {
  writes += 1;
  await writeSecret(home, pinned, `sealed-canary-of-the-pinned-${writes}`);
  const sealed = `sealed-canary-of-the-allowed-${writes}`;
  await writeSecret(home, allowed, sealed);
  return sealed;
}

const hasArrived = (sealed: string) =>
  expect
    .poll(async () => {
      const rows = await target.sql`
        select from region_copies where company_id = ${allowed} and kind = 'secret' and body::json->>'encrypted' = ${sealed}`;
      return rows.length;
    }, polling)
    .toBe(1);

const passwordOfForeigner = () => new URL(replication.exportUrl).password;

test("without TLS who sits on the wire sees the copies, and of a company that is not allowed nothing", async () => {
  await subscribeBy(honest, { sslmode: "disable" });
  await hasArrived(await writeBoth());
  // The first copy, which brings every row that there is, passes as well.
  await resyncCopies(target.own, route, { exportUrl: urlBy(honest, { sslmode: "disable" }) });
  await hasArrived(await writeBoth());
  const seen = honest.seen();
  expect(seen.includes("sub-canary-of-the-allowed") || seen.includes("sealed-canary-of-the-allowed")).toBe(
    true,
  );
  for (const secret of ["canary-of-the-pinned", pinned, passwordOfForeigner()])
    expect(seen.includes(secret), secret).toBe(false);
});

test("with the default of libpq, who denies TLS in the export's place sees the copies", async () => {
  await subscribeBy(denying, {});
  await hasArrived(await writeBoth());
  expect(denying.seen().includes("sealed-canary-of-the-allowed")).toBe(true);
  expect(denying.seen().includes("canary-of-the-pinned")).toBe(false);
});

test("with sslmode=verify-full the wire has no copy in clear, and who denies TLS gets none", async () => {
  const verified = { sslmode: "verify-full", sslrootcert: path.join(certificates, "ca.pem") };
  await subscribeBy(honest, verified);
  const sealed = await writeBoth();
  await hasArrived(sealed);
  expect(honest.seen().length).toBeGreaterThan(1_000);
  for (const text of ["canary-of-the-allowed", "canary-of-the-pinned", allowed, passwordOfForeigner()])
    expect(honest.seen().includes(text), text).toBe(false);

  // The worker of the test before was sent one more write before it noticed its other address.
  denying.empty();
  await subscribeBy(denying, verified);
  await expect
    .poll(async () => (await readTargetState(target.sql, route)).subscription.state, polling)
    .toBe("down");
  await writeBoth();
  expect(denying.seen().includes("canary-of-the-allowed")).toBe(false);

  // A certificate of another authority is as good as none.
  await subscribeBy(honest, { ...verified, sslrootcert: path.join(certificates, "other-ca.pem") });
  honest.empty();
  const waiting = await writeBoth();
  await expect.poll(() => honest.seen().length, polling).toBeGreaterThan(0);
  expect((await readTargetState(target.sql, route)).subscription.state).toBe("down");
  await subscribeBy(honest, verified);
  await hasArrived(waiting);
});
