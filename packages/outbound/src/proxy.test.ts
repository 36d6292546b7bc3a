import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { answering, listen, ok } from "./testing/listener.ts";

const script = path.join(import.meta.dirname, "testing/fetch-once.ts");

test("a proxy of the environment is not used, where fetch of Node.js uses it", async () => {
  const receiver = await listen(ok);
  const proxy = await listen(
    answering((socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")),
  );
  const proxyUrl = `http://127.0.0.1:${proxy.port}`;
  const names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
  const env = { ...Object.fromEntries(names.map((name) => [name, proxyUrl])), NODE_USE_ENV_PROXY: "1" };
  const url = `http://127.0.0.1:${receiver.port}/`;
  const { stdout } = await promisify(execFile)(process.execPath, [script, url], { env });
  expect(JSON.parse(stdout)).toEqual({ plain: "no answer", outbound: "ok" });
  expect([proxy.connections(), receiver.connections()]).toEqual([1, 1]);
  await Promise.all([receiver.stop(), proxy.stop()]);
});
