import { z } from "zod";
import { company } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";
import { region } from "./regions.ts";

/** How the home of a company becomes another region. For operators. */
export const moveOperations = {
  /**
   * Moves a company at home here to a region that it is copied to, with all versions and rotation policies of its secrets, and loses nothing.
   * Its writes are held meanwhile, for some seconds. Answers with the run that does it: of the one that is under way, if there is.
   */
  move: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({ company, to: region }),
    output: z.object({ run: z.uuid() }),
  }),

  /**
   * Makes this region the home of a company whose home is lost, with the current values that have arrived here. What had not arrived is
   * lost; its old home lists it, should it come back, and takes no write from then on. At the home of a company that is being moved: ends
   * the move to a region that is lost.
   */
  takeOver: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({ company, from: region }),
    output: z.object({
      /** Secrets that are at home here now. */
      secrets: z.int(),
      /** Those whose copies do not open, and which are lost. */
      unreadable: z.array(z.string()).readonly(),
      /** Up to when, by the clock of the lost home, all of its changes had arrived; left out where nothing says so. */
      completeUntil: z.date().optional(),
    }),
  }),

  /**
   * In the region that was a company's home and came back: lists what the new home has not got. Deletes what only a home has, earlier
   * versions as well, where nothing is lost or the loss is accepted.
   */
  leave: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({
      company,
      /** Whether to delete although the new home has not got all. */
      acceptLoss: z.boolean().optional(),
    }),
    output: z.object({
      left: z.boolean(),
      /** The new home. */
      home: z.string(),
      /** Changes that the new home has not got. */
      lost: z.array(z.object({ secretKey: z.string(), change: z.enum(["written", "removed"]) })).readonly(),
    }),
  }),
};

export type TakenOver = Readonly<OutputOf<(typeof moveOperations)["takeOver"]>>;
export type LeaveOptions = Readonly<Omit<InputOf<(typeof moveOperations)["leave"]>, "company">>;
export type LeftHome = Readonly<OutputOf<(typeof moveOperations)["leave"]>>;
