import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { createOutbound, OutboundError, type OutboundRequest } from "./index.ts";
import { answering, listen, type Listener, ok } from "./testing/listener.ts";

const fakeKey = "sk_test_fake_outbound_0001";
const listeners: Listener[] = [];
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});

const serve = async (talk: (socket: Socket) => void): Promise<Listener> => {
  const listener = await listen(talk);
  listeners.push(listener);
  return listener;
};

const send = (listener: Listener, request: Partial<OutboundRequest> = {}) =>
  createOutbound({ allow: [`127.0.0.1:${listener.port}`] }).fetch(
    `http://127.0.0.1:${listener.port}/hook?key=${fakeKey}`,
    { method: "POST", body: "{}", timeoutMs: 2000, ...request },
  );

/** The error of a request to a server that talks like this, which quotes nothing. */
const failure = async (
  talk: (socket: Socket) => void,
  request: Partial<OutboundRequest> = {},
): Promise<{ readonly code: string; readonly status: number | undefined }> => {
  const listener = await serve(talk);
  const error: unknown = await send(listener, request).then(
    () => new Error("There was an answer."),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OutboundError)) throw error;
  const shown = `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
  for (const text of [fakeKey, "127.0.0.1", String(listener.port), "their text"]) {
    expect(shown).not.toContain(text);
  }
  return { code: error.code, status: error.status };
};

const says = (answer: string | Buffer) => answering((socket) => socket.end(answer));

describe("an answer", () => {
  test("has its status, headers and bytes, and the connection ends with it", async () => {
    const closed = Promise.withResolvers<void>();
    const listener = await serve((socket) => {
      socket.on("close", () => closed.resolve());
      answering(() =>
        socket.write("HTTP/1.1 201 Created\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 3\r\n\r\nyes"),
      )(socket);
    });
    const { status, headers, body } = await send(listener);
    expect([status, headers.get("x-a"), body.toString()]).toEqual([201, "1, 2", "yes"]);
    await closed.promise;
  });

  test.for([
    [
      "in chunks",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0\r\n\r\n",
      "yes",
    ],
    ["up to the end of the connection", "HTTP/1.0 200 OK\r\n\r\nyes", "yes"],
    [
      "after hints",
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes",
      "yes",
    ],
    [
      "after 100 Continue",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes",
      "yes",
    ],
    ["of no content", "HTTP/1.1 204 No Content\r\n\r\n", ""],
  ] as const)("%s is read", async ([, answer, body]) => {
    expect((await send(await serve(says(answer)))).body.toString()).toBe(body);
  });

  test("of 16 KiB is read, and of one byte more is not", async () => {
    const of = (size: number) =>
      says(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${"x".repeat(size)}`);
    expect((await send(await serve(of(16_384)))).body.length).toBe(16_384);
    expect(await failure(of(16_385))).toEqual({ code: "TOO_LARGE", status: 200 });
  });

  test("of more is read as far as its reader asks for it, and no further", async () => {
    const answer = says(`HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n${"x".repeat(20_000)}`);
    const whole = await send(await serve(answer), { longestBody: 20_000 });
    expect(whole.body.length).toBe(20_000);
    expect(await failure(answer, { longestBody: 19_999 })).toEqual({ code: "TOO_LARGE", status: 200 });
  });

  test("is not decompressed", async () => {
    const packed = gzipSync(Buffer.alloc(1024 * 1024));
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`;
    const listener = await serve(says(Buffer.concat([Buffer.from(head), packed])));
    expect((await send(listener)).body.equals(packed)).toBe(true);
    expect(listener.received()).toContain("accept-encoding: identity\r\n");
  });

  test("sets no cookie for the next request", async () => {
    const listener = await serve(says("HTTP/1.1 204 No Content\r\nset-cookie: a=1\r\n\r\n"));
    const outbound = createOutbound({ allow: [`127.0.0.1:${listener.port}`] });
    const url = `http://127.0.0.1:${listener.port}/`;
    await outbound.fetch(url, { method: "GET" });
    await outbound.fetch(url, { method: "GET" });
    expect(listener.received().match(/GET/g)).toHaveLength(2);
    expect(listener.received()).not.toMatch(/cookie/i);
  });
});

test.for([301, 302, 303, 307, 308])(
  "a redirect with %d is an answer, and is not followed",
  async (status) => {
    const trap = await serve(ok);
    for (const to of [`http://127.0.0.1:${trap.port}/`, "http://169.254.169.254/", "/hook"]) {
      const listener = await serve(
        says(`HTTP/1.1 ${status} Found\r\nlocation: ${to}\r\ncontent-length: 0\r\n\r\n`),
      );
      expect((await send(listener)).status).toBe(status);
      expect(listener.connections()).toBe(1);
    }
    expect(trap.connections()).toBe(0);
  },
);

describe("a server that", () => {
  const every = (ms: number, work: () => void, socket: Socket): void => {
    const timer = setInterval(work, ms);
    socket.on("close", () => clearInterval(timer));
  };
  const soon = { timeoutMs: 300 };

  test("is not there: CONNECT", async () => {
    const listener = await listen(ok);
    await listener.stop();
    await expect(send(listener)).rejects.toMatchObject({ code: "CONNECT" });
  });

  test("stays silent: TIMEOUT", async () => {
    const before = performance.now();
    expect(await failure(() => {}, soon)).toEqual({ code: "TIMEOUT", status: undefined });
    expect(performance.now() - before).toBeLessThan(1500);
  });

  test("sends a byte now and then, of the headers or the body: TIMEOUT", async () => {
    const drip = (start: string) =>
      answering((socket) => {
        socket.write(start);
        every(20, () => socket.write("x"), socket);
      });
    expect((await failure(drip("HTTP/1.1 200 OK\r\nx-a: "), soon)).code).toBe("TIMEOUT");
    expect((await failure(drip("HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n"), soon)).code).toBe(
      "TIMEOUT",
    );
  });

  test("hints for ever: TIMEOUT", async () => {
    const talk = answering((socket) =>
      every(5, () => socket.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), socket),
    );
    expect((await failure(talk, soon)).code).toBe("TIMEOUT");
  });

  test("answers after the deadline: TIMEOUT", async () => {
    const talk = answering((socket) => {
      setTimeout(() => socket.end("HTTP/1.1 200 OK\r\n\r\n"), 500);
    });
    expect(await failure(talk, soon)).toEqual({ code: "TIMEOUT", status: undefined });
  });

  test.for([
    ["", 0],
    ["transfer-encoding: chunked\r\n", 1],
  ] as const)("sends a body without end is cut off at once: %j", async ([header, isChunked]) => {
    let sent = 0;
    let isClosed = false;
    const block = Buffer.alloc(64 * 1024, "x");
    const part = isChunked ? Buffer.concat([Buffer.from("10000\r\n"), block, Buffer.from("\r\n")]) : block;
    const talk = answering((socket) => {
      socket.on("close", () => {
        isClosed = true;
      });
      socket.write(`HTTP/1.1 200 OK\r\n${header}\r\n`);
      const flood = (): void => {
        do sent += part.length;
        while (!socket.destroyed && sent < 256 * 1024 * 1024 && socket.write(part));
      };
      socket.on("drain", flood);
      flood();
    });
    expect(await failure(talk)).toEqual({ code: "TOO_LARGE", status: 200 });
    await expect.poll(() => isClosed).toBe(true);
    // What the buffers of both sockets take.
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  test("sends a megabyte of headers: TOO_LARGE", async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `x-${i}: ${"a".repeat(1000)}\r\n`).join("");
    expect((await failure(says(`HTTP/1.1 200 OK\r\n${many}\r\n`))).code).toBe("TOO_LARGE");
    expect((await failure(says(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(1_000_000)}\r\n\r\n`))).code).toBe(
      "TOO_LARGE",
    );
  });

  test("packs a gigabyte: TOO_LARGE, of what is packed", async () => {
    const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n";
    expect((await failure(says(Buffer.concat([Buffer.from(head), packed])))).code).toBe("TOO_LARGE");
  });

  test("resets the connection: ANSWER", async () => {
    const reset = (start: string) =>
      answering((socket) => {
        if (start === "") socket.resetAndDestroy();
        else socket.write(start, () => void sleep(50).then(() => socket.resetAndDestroy()));
      });
    expect(await failure(reset(""))).toEqual({ code: "ANSWER", status: undefined });
    expect(await failure(reset("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"))).toEqual({
      code: "ANSWER",
      status: 200,
    });
  });

  test.for([
    ["closes without a word", ""],
    ["ends in its headers", "HTTP/1.1 200 OK\r\nx-a: 1"],
    ["ends before its body does", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"],
    ["ends between its chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ["speaks no HTTP", "220 their text ESMTP\r\n"],
    ["has no status of HTTP", "HTTP/1.1 999 their text\r\ncontent-length: 0\r\n\r\n"],
    ["names two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc"],
    [
      "names a length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["has a header that is none", "HTTP/1.1 200 OK\r\nx y: their text\r\n\r\n"],
    [
      "switches to another protocol",
      "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\ntheir text",
    ],
  ] as const)("%s: ANSWER", async ([, answer]) => {
    expect((await failure(says(answer))).code).toBe("ANSWER");
  });

  test("repeats what it was sent: nothing of it is in the error", async () => {
    const talk = (socket: Socket): void => {
      socket.once("data", (data) => socket.end(`${data.toString()} their text`));
    };
    expect((await failure(talk, { headers: { authorization: `Bearer ${fakeKey}` } })).code).toBe("ANSWER");
  });
});

describe("a request", () => {
  test("has the headers that it is given, and a length", async () => {
    const listener = await serve(ok);
    await send(listener, {
      headers: { "webhook-id": "msg_1", authorization: `Bearer ${fakeKey}` },
      body: "ä",
    });
    const [head = "", body] = listener.received().split("\r\n\r\n");
    expect(head.split("\r\n").toSorted()).toEqual(
      [
        `POST /hook?key=${fakeKey} HTTP/1.1`,
        "accept-encoding: identity",
        "webhook-id: msg_1",
        `authorization: Bearer ${fakeKey}`,
        `host: 127.0.0.1:${listener.port}`,
        "Connection: close",
        "Content-Length: 2",
      ].toSorted(),
    );
    expect(body).toBe(Buffer.from("ä").toString("latin1"));
  });

  test.for(["host", "Host", "content-length", "Transfer-Encoding", "connection", "expect", "upgrade"])(
    "names no header %s of its own, which would send it elsewhere or end it early",
    async (name) => {
      const listener = await serve(ok);
      await expect(send(listener, { headers: { [name]: "x" } })).rejects.toMatchObject({ code: "REQUEST" });
      expect(listener.received()).toBe("");
      await expect.poll(() => listener.open()).toBe(0);
    },
  );

  test("with a line break in a header is not sent", async () => {
    const listener = await serve(ok);
    const error: unknown = await send(listener, { headers: { authorization: `${fakeKey}\r\nx: y` } }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "REQUEST" });
    expect(JSON.stringify(error) + String(error)).not.toContain(fakeKey);
    expect(listener.received()).toBe("");
  });

  test("ends when its caller ends it: before, while it connects, and while it is answered", async () => {
    const listener = await serve(() => {});
    const ended = { code: "ABORTED" };
    await expect(send(listener, { signal: AbortSignal.abort() })).rejects.toMatchObject(ended);
    expect(listener.connections()).toBe(0);
    const ending = new AbortController();
    const answer = send(listener, { signal: ending.signal });
    await expect.poll(() => listener.received()).toContain("POST");
    ending.abort(new Error(fakeKey));
    await expect(answer).rejects.toMatchObject(ended);
    await expect(answer).rejects.not.toThrow(fakeKey);
  });
});
