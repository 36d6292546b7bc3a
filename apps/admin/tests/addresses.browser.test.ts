import { pages } from "@repo/hono-api/testing/addresses";
import { expect, it } from "vitest";
import { createApi } from "../src/api.ts";
import { createSessionSignal } from "../src/frame/session.ts";
import { createAppRouter } from "../src/routes.tsx";
import { createWorld } from "./world.ts";

it("each address of the app is one that the server answers with the page, and no other is", async () => {
  const channel = new BroadcastChannel("addresses");
  const { routesByPath } = createAppRouter({
    api: createApi(() => {}),
    session: createSessionSignal(channel),
    signOut: async () => {},
  });
  channel.close();
  const { url } = await createWorld();
  const addresses = Object.values(routesByPath)
    .filter(({ children }) => children === undefined)
    .map(({ fullPath }) => fullPath.replace(/(?<=.)\/$/, ""));
  expect(addresses).toContain("/c/$company/secrets");
  // Names and forms of parameters are not the same on both sides.
  const shapeOf = (address: string): string => address.replaceAll(/\/[:$][^/]+/g, "/*");
  expect(pages.map(shapeOf).toSorted()).toEqual(addresses.map(shapeOf).toSorted());
  const answers = addresses.map(async (address) => {
    const sample = address
      .replace(/\$(?:company|subdomain)/, "acmecorp")
      .replace("$secretKey", "STRIPE_SECRET_KEY")
      .replace(/\$(?:run|endpoint)/, "0198c0de-0000-7000-8000-000000000001");
    const { status, headers } = await fetch(url + sample);
    return [address, status, headers.get("content-type")];
  });
  expect(await Promise.all(answers)).toEqual(
    addresses.map((address) => [address, 200, "text/html; charset=UTF-8"]),
  );
  expect((await fetch(`${url}/c/acmecorp/nothing`)).status).toBe(404);
});
