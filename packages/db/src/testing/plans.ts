import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { z } from "zod";
import { connectOnce, execute, type DatabaseUrls } from "../provision.ts";
import type { TestDatabase } from "./clone.ts";

/** A statement as the server executed it: one of a client, or of a function or trigger that one called. */
export interface ExecutedStatement {
  readonly text: string;
  /** Of the connection, whatever role a function changed to. */
  readonly role: "application" | "maintenance";
  /** The numbers of the partitions that it read or changed rows in. Partitions of two tables with one number hold the same companies. */
  readonly partitions: readonly number[];
}

export interface PlanReader {
  /** Of the same database. What goes through these two is seen. */
  readonly urls: Pick<DatabaseUrls, "application" | "maintenance">;
  /** All statements that ended since the start. */
  readonly statements: () => readonly ExecutedStatement[];
  stop(): Promise<void>;
}

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string | undefined;
  readonly "Actual Loops"?: number | undefined;
  readonly Plans?: readonly Plan[] | undefined;
}
const Plan: z.ZodType<Plan> = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Actual Loops": z.number().optional(),
  get Plans() {
    return z.array(Plan).optional();
  },
});
const Explained = z.object({ "Query Text": z.string(), Plan });

/**
 * Reads the plan of every statement, with what was executed of it. The server's own module auto_explain sends each as a notice to
 * the client, and a proxy in front of the client takes it from there. Connections that are open already are not seen.
 */
export async function readPlans({ superuserUrl, urls }: TestDatabase): Promise<PlanReader> {
  const sql = connectOnce(superuserUrl);
  try {
    const database = new URL(superuserUrl).pathname.slice(1);
    for (const [setting, value] of [
      ["session_preload_libraries", "auto_explain"],
      ["auto_explain.log_min_duration", "0"],
      ["auto_explain.log_level", "notice"],
      ["auto_explain.log_format", "json"],
      ["auto_explain.log_analyze", "on"],
      ["auto_explain.log_timing", "off"],
      ["auto_explain.log_nested_statements", "on"],
    ] as const) {
      await execute(sql, "alter database %I set %s = %L", database, setting, value);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
  const seen: ExecutedStatement[] = [];
  const through = async (role: ExecutedStatement["role"]) => {
    const url = new URL(urls[role]);
    const proxy = await startProxy(Number(url.port), (notice) => {
      const json = /^duration: .* plan:\n(.*)$/s.exec(notice)?.[1];
      if (json === undefined) return;
      const explained = Explained.parse(JSON.parse(json));
      seen.push({ role, text: explained["Query Text"], partitions: [...partitionsOf(explained.Plan)] });
    });
    url.port = String(proxy.port);
    return { url: url.href, stop: proxy.stop };
  };
  const [application, maintenance] = await Promise.all([through("application"), through("maintenance")]);
  return {
    urls: { application: application.url, maintenance: maintenance.url },
    statements: () => [...seen],
    stop: async () => void (await Promise.all([application.stop(), maintenance.stop()])),
  };
}

/** What a plan changes is named by what it scans: the node that changes lists all partitions that it might have to. */
function partitionsOf(plan: Plan): Set<number> {
  const number = /_of_company_(\d+)$/.exec(plan["Relation Name"] ?? "")?.[1];
  const executed = plan["Actual Loops"] !== 0 && plan["Node Type"] !== "ModifyTable";
  const own = executed && number !== undefined ? [Number(number)] : [];
  return new Set([...own, ...(plan.Plans ?? []).flatMap((child) => [...partitionsOf(child)])]);
}

async function startProxy(
  serverPort: number,
  onNotice: (message: string) => void,
): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(serverPort, "127.0.0.1");
    const notices = noticeReader(onNotice);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes: Buffer) => {
      notices(bytes);
      client.write(bytes);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Messages of PostgreSQL's protocol: a letter, four bytes of length with themselves, and the content. */
function noticeReader(onNotice: (message: string) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1;
      if (rest[0] === "N".charCodeAt(0)) {
        const fields = rest.toString("utf8", 5, end).split("\0");
        const message = fields.find((field) => field.startsWith("M"));
        if (message !== undefined) onNotice(message.slice(1));
      }
      rest = rest.subarray(end);
    }
  };
}
