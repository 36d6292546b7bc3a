import { initTRPC, TRPCError } from "@trpc/server";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { crossTenantContract, crossTenantFaults, type CrossTenantOptions } from "./contract.ts";

interface Tenant {
  readonly id: string;
  readonly orderId: string;
}
const ours: Tenant = { id: "tenant-a", orderId: "order-a-1111" };
const theirs: Tenant = { id: "tenant-b", orderId: "order-b-2222" };
const nobody: Tenant = { id: "tenant-none", orderId: "order-none-3333" };

interface Order {
  readonly tenant: string;
  note: string;
}
interface Context {
  readonly tenant: Tenant;
  readonly orders: Map<string, Order>;
}
const t = initTRPC.context<Context>().create();
const notFound = () => new TRPCError({ code: "NOT_FOUND", message: "There is no such order." });
const OrderId = z.object({ orderId: z.string() });

function owned({ orders, tenant }: Context, orderId: string): Order {
  const order = orders.get(orderId);
  if (order === undefined || order.tenant !== tenant.id) throw notFound();
  return order;
}

/** A router without a fault: nested and lazy, with procedures of each type. */
const sound = {
  orders: t.router({
    get: t.procedure.input(OrderId).query(({ ctx, input }) => owned(ctx, input.orderId)),
    list: t.procedure.query(({ ctx }) =>
      [...ctx.orders.values()].filter(({ tenant }) => tenant === ctx.tenant.id),
    ),
    getMany: t.procedure
      .input(z.object({ orderIds: z.array(z.string()) }))
      .query(({ ctx, input }) => input.orderIds.filter((id) => ctx.orders.get(id)?.tenant === ctx.tenant.id)),
    setNote: t.procedure.input(OrderId.extend({ note: z.string() })).mutation(({ ctx, input }) => {
      owned(ctx, input.orderId).note = input.note;
    }),
    watch: t.procedure.input(OrderId).subscription(async function* ({ ctx, input, signal }) {
      yield owned(ctx, input.orderId).note;
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    }),
    // A message may quote what the caller itself sent.
    quote: t.procedure.input(OrderId).query(({ ctx, input }) => {
      if (ctx.orders.get(input.orderId)?.tenant !== ctx.tenant.id) {
        throw new TRPCError({ code: "NOT_FOUND", message: `There is no order ${input.orderId}.` });
      }
      return input.orderId;
    }),
  }),
  health: t.procedure.query(() => "well"),
};

const inputs: CrossTenantOptions<Tenant>["inputs"] = {
  "orders.get": ({ orderId }) => ({ orderId }),
  "orders.list": () => undefined,
  "orders.getMany": ({ orderId }) => ({ orderIds: [orderId] }),
  "orders.setNote": ({ orderId }) => ({ orderId, note: "changed" }),
  "orders.watch": ({ orderId }) => ({ orderId }),
  "orders.quote": async ({ orderId }) => ({ orderId }),
};

function optionsOf(
  router: CrossTenantOptions<Tenant>["router"],
  changed: Partial<CrossTenantOptions<Tenant>> = {},
): CrossTenantOptions<Tenant> {
  const orders = new Map<string, Order>([
    [ours.orderId, { tenant: ours.id, note: "our note" }],
    [theirs.orderId, { tenant: theirs.id, note: "their private note" }],
  ]);
  return {
    router,
    contextFor: (tenant) => ({ tenant, orders }),
    tenants: [ours, theirs],
    absent: nobody,
    inputs,
    except: { health: "It is about no tenant." },
    answering: { "orders.getMany": "It answers the ones that are there." },
    snapshot: async ({ id }) => structuredClone([...orders].filter(([, { tenant }]) => tenant === id)),
    textsOf: ({ id }) => [...orders.values()].filter(({ tenant }) => tenant === id).map(({ note }) => note),
    ...changed,
  };
}

/** A router whose `orders.get` is another one. */
const withGet = (get: (ctx: Context, orderId: string) => unknown) =>
  t.router({ x: t.procedure.input(OrderId).query(({ ctx, input }) => get(ctx, input.orderId)) });
const faultsOfGet = async (get: (ctx: Context, orderId: string) => unknown) => {
  const faults = await crossTenantFaults(
    optionsOf(withGet(get), { inputs: { x: ({ orderId }) => ({ orderId }) }, except: {}, answering: {} }),
  );
  return faults.map(({ procedure, fault }) => `${procedure} ${fault}`);
};

describe("a router that keeps tenants apart", () => {
  test("has no fault, nested, with queries, mutations and subscriptions", async () => {
    expect(await crossTenantFaults(optionsOf(t.router(sound)))).toEqual([]);
  });

  test("has no fault where it is lazy, and is loaded", async () => {
    const { lazy } = await import("@trpc/server");
    const loaded: string[] = [];
    const router = t.router({
      health: sound.health,
      deep: lazy(async () => {
        loaded.push("deep");
        return t.router({
          orders: lazy(async () => {
            loaded.push("orders");
            return t.router(sound.orders._def.record);
          }),
        });
      }),
    });
    const deep = Object.fromEntries(Object.entries(inputs).map(([path, input]) => [`deep.${path}`, input]));
    const answering = { "deep.orders.getMany": "It answers the ones that are there." };
    expect(await crossTenantFaults(optionsOf(router, { inputs: deep, answering }))).toEqual([]);
    expect(loaded).toEqual(["deep", "orders"]);
  });
});

describe("a fault is found, and named without a value", () => {
  test("another tenant's order is answered", async () => {
    const faults = await faultsOfGet(({ orders }, orderId) => {
      const order = orders.get(orderId);
      if (order === undefined) throw notFound();
      return order;
    });
    expect(faults).toEqual([
      "x answers for another tenant's orderId",
      "x differs in whether it answers for another tenant's orderId from what is not there",
      "x shows what is another tenant's for another tenant's orderId",
    ]);
  });

  test("the code is another one for what is there", async () => {
    const faults = await faultsOfGet((ctx, orderId) => {
      const order = ctx.orders.get(orderId);
      if (order !== undefined && order.tenant !== ctx.tenant.id) {
        throw new TRPCError({ code: "FORBIDDEN", message: "There is no such order." });
      }
      return owned(ctx, orderId);
    });
    expect(faults).toContain("x differs in code for another tenant's orderId from what is not there");
  });

  test("the message is another one for what is there", async () => {
    const faults = await faultsOfGet((ctx, orderId) => {
      const order = ctx.orders.get(orderId);
      if (order !== undefined && order.tenant !== ctx.tenant.id) {
        throw new TRPCError({ code: "NOT_FOUND", message: "This order is not yours." });
      }
      return owned(ctx, orderId);
    });
    expect(faults).toEqual(["x differs in message for another tenant's orderId from what is not there"]);
  });

  test("the message has another tenant's text", async () => {
    const faults = await faultsOfGet((ctx, orderId) => {
      const order = ctx.orders.get(orderId);
      if (order !== undefined && order.tenant !== ctx.tenant.id) {
        throw new TRPCError({ code: "NOT_FOUND", message: `Not yours: ${order.note}` });
      }
      return owned(ctx, orderId);
    });
    expect(faults).toContain("x shows what is another tenant's for another tenant's orderId");
    expect(faults.join("\n")).not.toMatch(/private|order-b/);
  });

  test("the data of the error is another one for what is there", async () => {
    const formatted = initTRPC.context<Context>().create({
      errorFormatter: ({ shape, ctx, input }) => ({
        ...shape,
        data: {
          ...shape.data,
          status:
            ctx?.orders.has(OrderId.safeParse(input).data?.orderId ?? "") === true ? "shipped" : undefined,
        },
      }),
    });
    const router = formatted.router({
      x: formatted.procedure.input(OrderId).query(({ ctx, input }) => owned(ctx, input.orderId)),
    });
    const faults = await crossTenantFaults(
      optionsOf(router, { inputs: { x: ({ orderId }) => ({ orderId }) }, except: {}, answering: {} }),
    );
    expect(faults).toEqual([
      { procedure: "x", fault: "differs in data for another tenant's orderId from what is not there" },
    ]);
  });

  test("a list has what is another tenant's", async () => {
    const router = t.router({ x: t.procedure.query(({ ctx }) => [...ctx.orders.values()]) });
    const faults = await crossTenantFaults(
      optionsOf(router, { inputs: { x: () => undefined }, except: {}, answering: {} }),
    );
    expect(faults).toEqual([
      { procedure: "x", fault: "shows what is another tenant's for the tenant's own input" },
    ]);
  });

  test("a batch takes another tenant's order beside one's own", async () => {
    const router = t.router({
      x: t.procedure.input(z.object({ orderIds: z.array(z.string()) })).query(({ ctx, input }) => {
        owned(ctx, input.orderIds[0] ?? "");
        return input.orderIds.map((id) => ctx.orders.get(id)?.note);
      }),
    });
    const faults = await crossTenantFaults(
      optionsOf(router, {
        inputs: { x: ({ orderId }) => ({ orderIds: [orderId] }) },
        except: {},
        answering: {},
      }),
    );
    expect(faults.map(({ fault }) => fault)).toContain(
      "shows what is another tenant's for another tenant's orderIds beside one's own",
    );
  });

  test("only the tenant of the input is checked, and the order is not", async () => {
    const router = t.router({
      x: t.procedure.input(OrderId.extend({ tenantId: z.string() })).query(({ ctx, input }) => {
        const order = ctx.orders.get(input.orderId);
        if (input.tenantId !== ctx.tenant.id || order === undefined) throw notFound();
        return order.note;
      }),
    });
    const faults = await crossTenantFaults(
      optionsOf(router, {
        inputs: { x: ({ id, orderId }) => ({ tenantId: id, orderId }) },
        except: {},
        answering: {},
      }),
    );
    expect(faults.map(({ fault }) => fault)).toContain("answers for another tenant's orderId");
    expect(faults.map(({ fault }) => fault)).not.toContain("answers for another tenant's the whole input");
  });

  test("a refused mutation has a side effect", async () => {
    const router = t.router({
      x: t.procedure.input(OrderId).mutation(({ ctx, input }) => {
        const order = ctx.orders.get(input.orderId);
        if (order !== undefined) order.note = "changed before the check";
        return owned(ctx, input.orderId).note;
      }),
    });
    const faults = await crossTenantFaults(
      optionsOf(router, { inputs: { x: ({ orderId }) => ({ orderId }) }, except: {}, answering: {} }),
    );
    expect(faults).toEqual([{ procedure: "x", fault: "changes what is another tenant's" }]);
  });

  test("a subscription follows another tenant's order", async () => {
    const router = t.router({
      x: t.procedure.input(OrderId).subscription(async function* ({ ctx, input, signal }) {
        const order = ctx.orders.get(input.orderId);
        if (order === undefined) throw notFound();
        await Promise.resolve();
        yield order.note;
        await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      }),
    });
    const faults = await crossTenantFaults(
      optionsOf(router, { inputs: { x: ({ orderId }) => ({ orderId }) }, except: {}, answering: {} }),
    );
    expect(faults.map(({ fault }) => fault)).toContain("answers for another tenant's orderId");
  });

  test("the inputs are not real, so that nothing was tested", async () => {
    const faults = await faultsOfGet(() => {
      throw notFound();
    });
    expect(faults).toEqual(["x fails with NOT_FOUND for the tenant's own input, so that nothing was tested"]);
  });

  test("a procedure was forgotten, one is not there any more, and a reason is missing", async () => {
    const faults = await crossTenantFaults(
      optionsOf(t.router({ health: sound.health, forgotten: t.procedure.query(() => 1) }), {
        inputs: {},
        except: { health: " ", "gone.*": "It was removed." },
        answering: {},
      }),
    );
    expect(faults).toEqual([
      { procedure: "forgotten", fault: "has no inputs, and no reason why not" },
      { procedure: "gone.*", fault: "is listed, and is no procedure" },
      { procedure: "health", fault: "is listed without a reason" },
    ]);
  });
});

test("a test is registered for each procedure, and fails with the faults of that one", async () => {
  const registered = new Map<string, () => Promise<void>>();
  const router = t.router({
    ...sound,
    leak: t.procedure.input(OrderId).query(({ ctx, input }) => ctx.orders.get(input.orderId)?.note),
  });
  await crossTenantContract(
    (title, check) => registered.set(title, check),
    optionsOf(router, { inputs: { ...inputs, leak: ({ orderId }) => ({ orderId }) } }),
  );
  const failures: string[] = [];
  for (const [title, check] of registered) await check().catch(() => failures.push(title));
  expect(registered.size).toBe(8);
  expect(failures).toEqual(["leak tells a tenant nothing of another one's, and changes nothing of it"]);
});
