import { asks } from "../arguments.ts";
import { minute, print, remark, table } from "../output.ts";

/** As the procedures answer that take somebody's access away. */
interface MadeKeys {
  readonly apiKeys: readonly {
    readonly id: string;
    readonly name: string;
    readonly platform: boolean;
    readonly companies: readonly string[];
    readonly expiresAt: Date;
  }[];
  readonly revoked: boolean;
}

export const revokeApiKeys = {
  type: "boolean",
  help: "Revoke the API keys that they made too; without, they are listed and go on",
} as const;

/**
 * Shows the API keys that somebody made who has no access any more and, where they go on and there is a terminal, asks whether
 * they are to be revoked too.
 *
 * @param revoke revokes them all
 * @returns what there is to say in JSON
 */
export async function settleKeys(
  { apiKeys, revoked }: MadeKeys,
  { quiet, revoke }: { readonly quiet: boolean; readonly revoke: () => Promise<unknown> },
): Promise<MadeKeys> {
  if (quiet || apiKeys.length === 0) return { apiKeys, revoked };
  print(`API keys that were made with this access, and ${revoked ? "are revoked" : "go on"}:`);
  print(
    table(
      ["ID", "NAME", "COMPANIES", "EXPIRES"],
      apiKeys.map(({ id, name, companies, expiresAt }) => [id, name, companies.join(","), minute(expiresAt)]),
    ),
  );
  if (revoked) return { apiKeys, revoked };
  if (await asks(`Revoke these ${apiKeys.length} API keys too?`)) {
    await revoke();
    print("They are revoked.");
    return { apiKeys, revoked: true };
  }
  remark('To end one: "api-keys revoke"; next time: --revoke-api-keys.');
  return { apiKeys, revoked };
}
