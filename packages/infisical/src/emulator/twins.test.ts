import { expect, test } from "vitest";
import { ask, asRecord, generations, name, path, startFixture, tokenFor } from "../testing/fixture.ts";

test.for(generations)(
  "two creates of one name at once make twins, of which an update changes one and a read meets the other: %s",
  async (generation) => {
    await using fixture = await startFixture({ emulator: { generation } });
    const { emulator, client } = fixture;
    await client.createFolder(path);
    const token = await tokenFor(emulator, emulator);
    const scope = { workspaceId: emulator.projectId, environment: "dev", secretPath: path };
    const target = `/api/v3/secrets/raw/${name}`;
    const query = new URLSearchParams(scope).toString();
    const write = (method: string, secretValue: string) =>
      ask(emulator, { method, target, body: { ...scope, secretValue }, token });
    const read = async () => {
      const { body } = await ask(emulator, { method: "GET", target: `${target}?${query}`, token });
      const secret = asRecord(body["secret"]);
      return [secret["secretValue"], secret["version"]];
    };

    emulator.faults.add({ kind: "race" }, { times: 2, method: "POST" });
    const answers = await Promise.all([write("POST", "fake-1"), write("POST", "fake-2")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const update = await write("PATCH", "fake-3");
    expect(asRecord(update.body["secret"])["version"]).toBe(2);
    const [stale, version] = await read();
    expect(["fake-1", "fake-2"]).toContain(stale);
    expect(version).toBe(1);

    expect((await ask(emulator, { method: "DELETE", target, body: scope, token })).status).toBe(200);
    expect((await ask(emulator, { method: "GET", target: `${target}?${query}`, token })).status).toBe(404);
  },
);
