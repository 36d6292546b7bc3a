import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { startApi } from "../testing/fixture.ts";

const docs = path.resolve(import.meta.dirname, "../../../../docs");
const page = readFileSync(path.join(docs, "observability.md"), "utf8");

const Dashboard = z.object({
  panels: z.array(
    z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).optional() }),
  ),
});
const { panels } = Dashboard.parse(
  JSON.parse(readFileSync(path.join(docs, "grafana-dashboard.json"), "utf8")),
);
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

const namesIn = (text: string): string[] => text.match(/\b(?:tenant_secrets|process|nodejs)_\w+/g) ?? [];

interface Family {
  readonly name: string;
  readonly type: string;
}

/** What a running API exports, by what can be asked for: a histogram is three. */
async function exported(): Promise<{ readonly families: readonly Family[]; readonly names: Set<string> }> {
  const { metrics } = await startApi();
  const declared = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const families = declared.map(([, name = "", type = ""]) => ({ name, type }));
  const names = families.flatMap(({ name, type }) =>
    type === "histogram" ? ["bucket", "sum", "count"].map((part) => `${name}_${part}`) : [name],
  );
  return { families, names: new Set(names) };
}

it("every metric that the dashboard asks for is exported", async () => {
  const { names } = await exported();
  expect(queries.length).toBeGreaterThan(20);
  for (const { title, expr } of queries) {
    expect(namesIn(expr), title).not.toEqual([]);
    for (const name of namesIn(expr)) expect([...names], title).toContain(name);
  }
});

it("every metric of ours is on the dashboard, and in docs/observability.md with its type", async () => {
  const ours = (await exported()).families.filter(({ name }) => name.startsWith("tenant_secrets_"));
  const asked = new Set(queries.flatMap(({ expr }) => namesIn(expr)).map(familyOf));
  for (const { name } of ours) expect([...asked]).toContain(name);
  const rows = [...page.matchAll(/^\| `(tenant_secrets_\w+)` \| (counter|gauge|histogram) \|/gm)];
  const documented = rows.map(([, name = "", type = ""]) => ({ name, type }));
  const byName = (a: Family, b: Family): number => (a.name < b.name ? -1 : 1);
  expect(documented.toSorted(byName)).toEqual(ours.toSorted(byName));
});

it("every metric that an alert of docs/observability.md asks for is exported", async () => {
  const { names } = await exported();
  const [, alerts = ""] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? [];
  const asked = namesIn(alerts);
  expect(asked.length).toBeGreaterThan(4);
  for (const name of asked) expect([...names]).toContain(name);
});

function familyOf(name: string): string {
  return name.replace(/_(?:bucket|sum|count)$/, "");
}
