// Sends one request with `fetch` of Node.js and one through this package, in a process whose environment names a proxy.
import { createOutbound } from "../index.ts";

const [url = ""] = process.argv.slice(2);
const plain = await fetch(url).then(
  async (answer) => answer.text(),
  () => "no answer",
);
const { body } = await createOutbound({ allow: [new URL(url).host] }).fetch(url, { method: "GET" });
console.log(JSON.stringify({ plain, outbound: body.toString() }));
