import type { tables } from "@repo/db";
import { encodeFields } from "@repo/envelope";
import { macFieldsOf } from "./event.ts";
import { leafHash } from "./merkle.ts";

export type EventRow = typeof tables.auditEvents.$inferSelect;

/** The sealed part of an event: all of it but its position in the database. */
export type SealedEvent = Omit<EventRow, "xid" | "position">;

/** The leaf of an event: the hash of the fields of its MAC and of the MAC. */
export function leafOf(event: SealedEvent): Buffer {
  return leafHash(encodeFields([...macFieldsOf(event), event.mac]));
}

export interface Leaf {
  readonly id: string;
  readonly hash: Buffer;
}

const idBytes = 16;
const leafBytes = 48;

/** The leaves of a batch in order, each 16 bytes of the event id and 32 bytes of the hash. */
export function packLeaves(leaves: readonly Leaf[]): Buffer {
  return Buffer.concat(leaves.flatMap(({ id, hash }) => [Buffer.from(id.replaceAll("-", ""), "hex"), hash]));
}

export function unpackLeaves(packed: Buffer): Leaf[] {
  return Array.from({ length: Math.floor(packed.length / leafBytes) }, (_, index) => {
    const leaf = packed.subarray(index * leafBytes, (index + 1) * leafBytes);
    const hex = leaf.toString("hex", 0, idBytes);
    return {
      id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
      hash: leaf.subarray(idBytes),
    };
  });
}
