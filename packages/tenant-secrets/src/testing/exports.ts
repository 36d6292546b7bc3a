import type { Fixture } from "./fixture.ts";

// The recipient in the README of age. What is encrypted to it here is never opened.
const someRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/** Exports a company's values, encrypted. @returns the id of the export */
export async function newExport(fixture: Fixture, company: string): Promise<string> {
  const owner = await fixture.person(company, "owner");
  const scope = await fixture.scope(company, owner);
  const input = { format: "env", purpose: "hand-over", recipients: [someRecipient] } as const;
  await fixture.secrets.vault.export(scope, input);
  const { exports } = await fixture.secrets.exports.list(owner, { company });
  return exports[0]?.id ?? "";
}
