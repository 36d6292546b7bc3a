import { expect, it } from "vitest";
import { createLog } from "./log.ts";

it("writes the fields that it knows, and no others that an object carries", () => {
  const lines: string[] = [];
  const log = createLog("info", { write: (line) => void lines.push(line) });
  const request = {
    requestId: "1",
    status: 200,
    headers: { authorization: "Bearer a-canary" },
    body: "a-canary",
  };
  log("info", "request", request);
  log("debug", "below its level", { requestId: "2" });
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    { level: "info", time: expect.any(String), requestId: "1", status: 200, msg: "request" },
  ]);
});
