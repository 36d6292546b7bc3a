import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { apiVariables } from "@repo/hono-api/environment";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { readDockerfile } from "./dockerfile.ts";

// No validator with the schemas of Kubernetes is among the dependencies: what is held here is what this product's processes need.

const deploy = path.resolve(import.meta.dirname, "../../../deploy");
const image = readDockerfile();
const [uid, gid] = image.user.split(":").map(Number);
const file = (name: string): string => readFileSync(path.join(deploy, name), "utf8");

const known = new Set(Object.keys(apiVariables));
const required = Object.entries(apiVariables)
  .filter(([, schema]) => !schema.safeParse(undefined).success)
  .map(([name]) => name);
/** The variables of the command line that set the database up. */
const ofSetUp = ["DATABASE_SUPERUSER_URL", "DATABASE_MIGRATION_URL"];

/** A process reads these variables, each given once; the values that are no file are in the form that the API takes. */
function expectEnvironment(given: Readonly<Record<string, string>>): void {
  const names = Object.keys(given).map((name) => name.replace(/_FILE$/, ""));
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
  expect(required.filter((name) => !names.includes(name))).toEqual([]);
  for (const [name, schema] of Object.entries(apiVariables)) {
    const value = given[name];
    // Compose fills in what stands in ${}.
    if (value !== undefined && !value.startsWith("${"))
      expect([name, schema.safeParse(value).success]).toEqual([name, true]);
  }
}

/** Programs are named by the places that the image has them at. */
function expectPrograms(...programs: readonly string[]): void {
  for (const program of programs) {
    expect(program).toMatch(/^\/app\/apps\//);
    expect(readFileSync(path.join(deploy, "..", program.slice("/app/".length)), "utf8")).not.toBe("");
  }
}

describe("compose.yaml", () => {
  const service = z.looseObject({
    image: z.string(),
    command: z.array(z.string()).optional(),
    environment: z.record(z.string(), z.string()),
    secrets: z.array(z.string()),
    read_only: z.boolean().optional(),
    init: z.boolean().optional(),
    user: z.string().optional(),
    cap_drop: z.array(z.string()).optional(),
    security_opt: z.array(z.string()).optional(),
    stop_grace_period: z.string().optional(),
    healthcheck: z.looseObject({ test: z.array(z.string()).optional() }).optional(),
    depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  });
  const compose = z
    .looseObject({
      services: z.record(z.string(), service),
      secrets: z.record(z.string(), z.object({ file: z.string() })),
    })
    .parse(parse(file("compose.yaml"), { merge: true }));
  const { postgres, ...ours } = compose.services;

  test("every process of ours is confined: not root, no capability, a root that it cannot write to", () => {
    expect(Object.keys(ours).toSorted()).toEqual(["api", "migrate", "provision", "worker"]);
    for (const each of Object.values(ours))
      expect(each).toMatchObject({
        image: ours["api"]?.image,
        user: image.user,
        read_only: true,
        init: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
      });
  });

  test("API and worker get every variable that they need and none that does not exist", () => {
    for (const name of ["api", "worker"]) expectEnvironment(ours[name]?.environment ?? {});
    expect(ours["api"]?.environment["JOBS"]).toBe("none");
    for (const name of ["migrate", "provision"])
      for (const variable of Object.keys(ours[name]?.environment ?? {}))
        expect(ofSetUp).toContain(variable.replace(/_FILE$/, ""));
  });

  test("every credential is a file that is declared and mounted, of the process that reads it alone", () => {
    for (const { environment, secrets } of Object.values(compose.services)) {
      const files = Object.entries(environment).filter(([name]) => name.endsWith("_FILE"));
      expect(files.map(([, value]) => value.replace("/run/secrets/", "")).toSorted()).toEqual(
        secrets.toSorted(),
      );
      expect(Object.keys(environment).filter((name) => /(?:URL|SECRET|PASSWORD)$/.test(name))).toEqual(
        environment["INFISICAL_SITE_URL"] === undefined ? [] : ["INFISICAL_SITE_URL"],
      );
      for (const secret of secrets) expect(compose.secrets).toHaveProperty(secret);
    }
    expect(postgres?.image).toMatch(/^postgres:18\.\d+$/);
  });

  test("nothing serves before the migration is done, and each has the time that it takes to stop", () => {
    for (const name of ["api", "worker"]) {
      expect(ours[name]?.depends_on?.["migrate"]?.condition).toBe("service_completed_successfully");
      const { DRAIN_SECONDS: drain, STOP_SECONDS: stop } = ours[name]?.environment ?? {};
      expect(Number.parseInt(ours[name]?.stop_grace_period ?? "0", 10)).toBeGreaterThan(
        Number(drain) + Number(stop),
      );
    }
    const commands = [ours["migrate"]?.command, ours["worker"]?.command, ours["provision"]?.command];
    expectPrograms(...commands.map((command) => command?.[0] ?? ""));
    const checks = [ours["api"], ours["worker"]].map((each) => each?.healthcheck?.test ?? []);
    for (const check of checks) expect(check.slice(0, 3)).toEqual(["CMD", ...image.healthcheck]);
    expect(checks[0]?.[3]).toBe(`http://127.0.0.1:${ours["api"]?.environment["PORT"]}/readyz`);
    expect(checks[1]?.[3]).toBe(`http://127.0.0.1:${ours["worker"]?.environment["METRICS_PORT"]}/metrics`);
  });
});

describe("kubernetes/", () => {
  const probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: z.string() }) });
  const container = z.looseObject({
    image: z.string(),
    args: z.array(z.string()),
    env: z.array(z.object({ name: z.string(), value: z.string() })),
    ports: z.array(z.object({ name: z.string(), containerPort: z.int() })).default([]),
    startupProbe: probe.optional(),
    livenessProbe: probe.optional(),
    readinessProbe: probe.extend({ periodSeconds: z.int(), failureThreshold: z.int() }).optional(),
    volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
  });
  const pod = z.looseObject({
    terminationGracePeriodSeconds: z.int().optional(),
    containers: z.tuple([container]),
    volumes: z.array(
      z.looseObject({ name: z.string(), secret: z.looseObject({ secretName: z.string() }).optional() }),
    ),
  });
  const workload = z.looseObject({
    replicas: z.int().optional(),
    strategy: z.unknown().optional(),
    template: z.looseObject({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: pod,
    }),
  });
  const resource = z.looseObject({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: z.looseObject({ name: z.string() }).optional(),
    spec: z.unknown().optional(),
  });
  const names = readdirSync(path.join(deploy, "kubernetes")).toSorted();
  const resources = names.flatMap((name) =>
    parseAllDocuments(file(`kubernetes/${name}`), { strict: true }).map((document) => {
      if (document.errors.length > 0) throw new Error(`${name}: ${document.errors.join()}`);
      return resource.parse(document.toJS());
    }),
  );
  const find = (kind: string, name: string) => {
    const found = resources.find((each) => each.kind === kind && each.metadata?.name === name);
    if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };
  const settings = z.record(z.string(), z.string()).parse(find("ConfigMap", "tenant-secrets")["data"]);
  const api = workload.parse(find("Deployment", "tenant-secrets-api").spec);
  const worker = workload.parse(find("Deployment", "tenant-secrets-worker").spec);
  const release = /newTag: (.*)$/m.exec(file("kubernetes/kustomization.yaml"))?.[1] ?? "";
  const migrate = workload.parse(find("Job", `tenant-secrets-migrate-${release}`).spec);

  test("the kustomization has every file but the example of secrets, and the release of the image definition", () => {
    const { resources: listed } = z
      .looseObject({ resources: z.array(z.string()) })
      .parse(parse(file("kubernetes/kustomization.yaml")));
    expect(listed.toSorted()).toEqual(
      names.filter((name) => name !== "kustomization.yaml" && name !== "secrets.example.yaml"),
    );
    expect(image.text).toContain(`ARG RELEASE=${release}`);
    expect(file("compose.yaml")).toContain(`image: tenant-secrets:${release}\n`);
  });

  test.each([
    ["api", api],
    ["worker", worker],
    ["migrate", migrate],
  ])(
    "%s meets the restricted profile, as the user of the image and on a root that it cannot write to",
    (_, each) => {
      const { spec } = each.template;
      expect(spec["securityContext"]).toMatchObject({
        runAsNonRoot: true,
        runAsUser: uid,
        runAsGroup: gid,
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(spec["automountServiceAccountToken"]).toBe(false);
      const [only] = spec.containers;
      expect(only["securityContext"]).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(only["resources"]).toMatchObject({
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
      expectPrograms(only.args[0] ?? "");
    },
  );

  test("API and worker get every variable that they need and none that does not exist; the migration gets its URL alone", () => {
    for (const { template } of [api, worker]) {
      const [{ env }] = template.spec.containers;
      expectEnvironment({ ...settings, ...Object.fromEntries(env.map(({ name, value }) => [name, value])) });
    }
    expect(migrate.template.spec.containers[0].env.map(({ name }) => name)).toEqual([
      "DATABASE_MIGRATION_URL_FILE",
    ]);
  });

  test("every file that a variable names is in the Secret that is mounted there", () => {
    for (const { template } of [api, worker, migrate]) {
      const [{ env, volumeMounts }] = template.spec.containers;
      const mount = volumeMounts.find(({ name }) => name === "secrets")?.mountPath ?? "";
      const secret = template.spec.volumes.find(({ name }) => name === "secrets")?.secret?.secretName ?? "";
      const entries = Object.keys(
        z.record(z.string(), z.string()).parse(find("Secret", secret)["stringData"]),
      );
      const named = env.filter(({ name }) => name.endsWith("_FILE")).map(({ value }) => value);
      expect(named.toSorted()).toEqual(entries.map((entry) => `${mount}/${entry}`).toSorted());
    }
  });

  test("probes ask what the API answers, at ports that are there", () => {
    const routes = readFileSync(path.join(deploy, "../apps/hono-api/src/app.ts"), "utf8");
    const [ofApi] = api.template.spec.containers;
    expect(ofApi.ports).toContainEqual({
      name: "http",
      containerPort: Number(image.environment["PORT"]),
    });
    expect(
      [ofApi.startupProbe, ofApi.livenessProbe, ofApi.readinessProbe].map((each) => each?.httpGet),
    ).toEqual([
      { path: "/healthz", port: "http" },
      { path: "/healthz", port: "http" },
      { path: "/readyz", port: "http" },
    ]);
    for (const route of ["/healthz", "/readyz"]) expect(routes).toContain(`app.get("${route}"`);
    const [ofWorker] = worker.template.spec.containers;
    expect(ofWorker.ports).toEqual([{ name: "metrics", containerPort: Number(settings["METRICS_PORT"]) }]);
    expect(ofWorker.livenessProbe?.httpGet).toEqual({ path: "/metrics", port: "metrics" });
  });

  test("a rolling update never has fewer than before, and gives each process the time to drain and to stop", () => {
    const [drain, stop] = [Number(settings["DRAIN_SECONDS"]), Number(settings["STOP_SECONDS"])];
    for (const each of [api, worker]) {
      expect(each.strategy).toMatchObject({ rollingUpdate: { maxUnavailable: 0 } });
      expect(each.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(drain + stop);
    }
    const { periodSeconds = 0, failureThreshold = 0 } = api.template.spec.containers[0].readinessProbe ?? {};
    expect(periodSeconds * failureThreshold).toBeLessThan(drain);
    const budget = z
      .looseObject({ minAvailable: z.int() })
      .parse(find("PodDisruptionBudget", "tenant-secrets-api").spec);
    expect(budget.minAvailable).toBeLessThan(api.replicas ?? 0);
  });

  test("selectors find the pods that they are for", () => {
    const labels = api.template.metadata.labels;
    const service = z
      .looseObject({
        selector: z.record(z.string(), z.string()),
        ports: z.array(z.looseObject({ targetPort: z.string() })),
      })
      .parse(find("Service", "tenant-secrets").spec);
    expect(labels).toMatchObject(service.selector);
    expect(service.ports.map(({ targetPort }) => targetPort)).toEqual(["http"]);
    for (const each of [api, worker]) {
      const { matchLabels } = z
        .looseObject({ matchLabels: z.record(z.string(), z.string()) })
        .parse(each["selector"]);
      expect(each.template.metadata.labels).toEqual(matchLabels);
    }
    const policy = z
      .looseObject({
        podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
        policyTypes: z.array(z.string()),
      })
      .parse(find("NetworkPolicy", "tenant-secrets").spec);
    for (const each of [api, worker, migrate])
      expect(each.template.metadata.labels).toMatchObject(policy.podSelector.matchLabels);
    expect(policy.policyTypes).toEqual(["Ingress", "Egress"]);
  });
});

test("what the build sends to an engine has no history, data, environment or dependency of a checkout", () => {
  const lines = file("Dockerfile.dockerignore").split("\n");
  expect(lines.find((line) => line !== "" && !line.startsWith("#"))).toBe("*");
  for (const left of ["**/node_modules", "**/.data", "**/.env*", "**/dist"]) expect(lines).toContain(left);
  expect(lines).not.toContain("!.git");
});
