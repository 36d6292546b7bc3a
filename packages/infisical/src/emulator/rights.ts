import type { Visit } from "./place.ts";
import { Refusal } from "./refusal.ts";
import type { RightAction, RightSubject, StoredRight } from "./state.ts";

/** What a viewer may do: look at everything, and change nothing. */
export const viewerRights: readonly StoredRight[] = [
  { on: "secrets", actions: ["describeSecret", "readValue"], path: "/**" },
  { on: "secret-imports", actions: ["read"], path: "/**" },
];

/**
 * Refuses what none of the identity's rights allows. An identity without a list of rights may do everything.
 *
 * @param path the folder that it is about; for a folder that is made or deleted, the one above it
 * @throws {Refusal} 403
 */
export function checkRight(
  { identity, generation }: Visit,
  action: RightAction,
  { on, path }: { on: RightSubject; path: string },
): void {
  const subject = on === "secret-folders" ? generation.folderSubject : on;
  const isAllowed = identity.rights?.some(
    (right) => right.on === subject && right.actions.includes(action) && matchesGlob(right.path, path),
  );
  if (isAllowed === false) throw denied(generation.nameOfAction(action), subject);
}

const denied = (action: string, subject: string) =>
  new Refusal(403, "PermissionDenied", `You are not allowed to ${action} on ${subject}`);

/** As the server's `$glob`: `*` stands within one segment, and `/**` at the end for the folder itself and all below it. */
function matchesGlob(glob: string, path: string): boolean {
  const [literal, hasRest] = glob.endsWith("/**") ? [glob.slice(0, -3), true] : [glob, false];
  const escaped = literal.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", "[^/]*");
  return new RegExp(`^${escaped}${hasRest ? "(?:/.*)?" : ""}$`).test(path);
}
