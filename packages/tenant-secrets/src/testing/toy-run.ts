import { sql } from "drizzle-orm";
import type { Database } from "@repo/db";
import { z } from "zod";
import { systemCaller, TenantSecretsError } from "@repo/catalog";
import type { PlatformVerb, RunStep } from "../runs/definition.ts";
import { defineRun, type Run } from "../runs/run.ts";
import { walk } from "../runs/walk.ts";
import { companyIdOf } from "../companies/company-id.ts";

const Input = z.strictObject({
  items: z.int(),
  /** An item that fails, and is skipped. */
  poison: z.int().nullable(),
  /** The company in which items are processed, in the application's role. */
  companyId: z.uuid().nullable(),
  /** When the items may be processed. */
  waitUntil: z.iso.datetime().optional(),
});
const Facts = z.strictObject({ skipped: z.array(z.string()) });
const Item = z.object({ id: z.int() });

export type ToyInput = z.infer<typeof Input>;
export type ToyFacts = z.infer<typeof Facts>;

export interface ToyTools {
  /** Called before each batch is written, of the clean-up as well; an error stops the run there. */
  readonly beforeBatch?: (done: number) => void | Promise<void>;
}

export interface ToyOptions {
  readonly kind?: string;
  readonly verb?: PlatformVerb;
  readonly concerns?: "company" | "platform";
  readonly cancellable?: boolean;
  readonly tools?: ToyTools;
  /** Whether a cancelled run undoes each of its items. */
  readonly cleansUp?: boolean;
}

/** The toy's table, created by the superuser. */
export const toyTable = `
  create table toy_items (subject text, id integer, worked integer not null default 0, undone integer not null default 0, primary key (subject, id));
  grant select, insert, update on toy_items to tenant_secrets_maintenance, tenant_secrets_application`;

/** A run with three phases. The second one processes items in batches of two, and counts how often each was processed. */
export function defineToyRun(
  database: Database,
  { cleansUp = false, ...options }: ToyOptions = {},
): Run<ToyInput, ToyFacts, ToyTools> {
  const { kind = cleansUp ? "toy-that-cleans-up" : "toy", verb = "companies" } = options;
  const { cancellable = true, concerns = "platform", tools = {} } = options;
  const itemsAfter = (subject: string, after: z.infer<typeof Item> | undefined) =>
    database.acrossCompanies(async (statements) => {
      const rows = await statements.execute(sql`
        select id from toy_items where subject = ${subject} and id > ${after?.id ?? 0} order by id limit 2`);
      return z.array(Item).parse([...rows]);
    });
  const positionOf = ({ cursor }: { readonly cursor: unknown }) => Item.nullable().parse(cursor) ?? undefined;
  return defineRun(database, {
    kind,
    title: "Toys",
    concerns,
    verb,
    cancellable,
    first: "prepare",
    input: Input,
    facts: Facts,
    phases: {
      prepare: (step) =>
        step.enter(async (statements) => {
          await statements.execute(sql`
            insert into toy_items select ${step.run.subject}, id from generate_series(1, ${step.input.items}::integer) id`);
          const { items, waitUntil } = step.input;
          const wait = waitUntil === undefined ? {} : { notBefore: new Date(waitUntil) };
          return { phase: "work", total: items, ...wait };
        }),

      work: async (step, { beforeBatch }: ToyTools) => {
        const { subject } = step.run;
        const { poison, companyId } = step.input;
        let { done } = step.progress;
        await walk({
          from: positionOf(step),
          read: (after) => itemsAfter(subject, after),
          each: (item) => {
            if (item.id === poison)
              throw new TenantSecretsError("INTEGRITY_FAILURE", "This item does not do.");
            return item;
          },
          write: async (items, cursor, skipped) => {
            await beforeBatch?.(done);
            done += items.length + skipped.length;
            const work: Parameters<typeof step.commit<void>>[0] = async (statements) => {
              for (const { id } of items) {
                await statements.execute(sql`
                  update toy_items set worked = worked + 1 where subject = ${subject} and id = ${id}`);
              }
            };
            if (companyId === null) {
              const facts = { skipped: [...step.facts.skipped, ...skipped] };
              await step.commit(work, { cursor, done, facts });
            } else {
              await step.commitIn(companyIdOf({ id: companyId }), work, { cursor, done });
            }
            await step.say(`${done} items`);
          },
          skip: { codes: new Set(["INTEGRITY_FAILURE"]), nameOf: ({ id }) => `item ${id}` },
        });
        return step.enter({ phase: "finish" });
      },

      finish: (step) =>
        step.enter({ phase: "done", report: { report: JSON.stringify(step.facts), mac: "" } }),
    },
    fatal: new Set(["KEY_DESTROYED"]),
    background: {
      callerOf: () => systemCaller("toy", { verbs: [], secretKeys: [] }),
      tools: () => tools,
      ...(cleansUp && {
        cleanUp: async (step: RunStep<ToyInput, ToyFacts, never>, { beforeBatch }: ToyTools) => {
          const { subject } = step.run;
          let { done } = step.progress;
          await walk({
            from: positionOf(step),
            read: (after) => itemsAfter(subject, after),
            each: (item) => item,
            write: async (items, cursor) => {
              await beforeBatch?.(done);
              done += items.length;
              await step.commit(
                async (statements) => {
                  for (const { id } of items) {
                    await statements.execute(sql`
                      update toy_items set undone = undone + 1 where subject = ${subject} and id = ${id}`);
                  }
                },
                { cursor, done },
              );
              await step.say(`${done} items undone`);
            },
          });
          return step.enter({ phase: "done" });
        },
      }),
    },
  });
}
