import type { KeyObject } from "node:crypto";
import { checkpointHash, isSigned, signCheckpoint } from "./checkpoint.ts";
import type { SigningKey } from "./keys.ts";

/**
 * The timeline of a server's WAL, signed beside the checkpoint that was sealed on it. Each promotion of a standby increases it. It is no
 * line of the checkpoint, so that a program of the first release, which knows no timelines, continues a log that has them.
 */
export interface SignedTimeline {
  readonly timeline: number;
  readonly timelineSignature: string;
}

/** @param checkpoint the text that the timeline belongs to: no other one has a valid signature with it */
export function signTimeline(checkpoint: string, timeline: number, key: SigningKey): SignedTimeline {
  return { timeline, timelineSignature: signCheckpoint(textOf(checkpoint, timeline), key) };
}

/** Whether one of the keys signed the timeline of a checkpoint. */
export function isTimelineSigned(
  checkpoint: string,
  { timeline, timelineSignature }: SignedTimeline,
  keys: readonly KeyObject[],
): boolean {
  return isSigned(textOf(checkpoint, timeline), timelineSignature, keys);
}

function textOf(checkpoint: string, timeline: number): string {
  const hash = checkpointHash(checkpoint).toString("hex");
  return ["tenant-secrets/timeline/1", `checkpoint ${hash}`, `timeline ${timeline}`, ""].join("\n");
}
