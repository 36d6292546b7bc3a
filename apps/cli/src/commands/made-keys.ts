import { asks } from "../arguments.ts";
import { minute, print, remark, table } from "../output.ts";

/** The response of the procedures that revoke a person's or operator's access. */
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
  help: "Revoke the API keys that they made too; without, they are listed and stay valid",
} as const;

/**
 * Lists the API keys that were made with a revoked access. If they are still valid and there is a terminal, asks whether to
 * revoke them too.
 *
 * @param revoke revokes them all
 * @returns the result for --json
 */
export async function settleKeys(
  { apiKeys, revoked }: MadeKeys,
  { quiet, revoke }: { readonly quiet: boolean; readonly revoke: () => Promise<unknown> },
): Promise<MadeKeys> {
  if (quiet || apiKeys.length === 0) return { apiKeys, revoked };
  print(`API keys that were made with this access, and ${revoked ? "are revoked" : "stay valid"}:`);
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
