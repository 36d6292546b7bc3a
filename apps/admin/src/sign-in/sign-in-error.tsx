import { useState, type ReactNode } from "react";
import { explain } from "../errors.ts";
import { ErrorNotice, Notice } from "../ui/notice.tsx";
import { NoPasskeyChosen } from "./requests.ts";

/** What was tried. */
export type Tried = "password" | "code" | "passkey" | "confirmation";

const refusals: Readonly<Record<Tried, string>> = {
  password: "E-mail address and password do not fit together.",
  code: "This code does not count, or no longer.",
  passkey: "This passkey was not accepted.",
  confirmation: "That was not right. Five wrong attempts end the session.",
};

/** Longer than any other limit: the second factor is locked after ten wrong codes. */
const lockedFromMs = 2 * 60_000;
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** One sentence for all reasons: it tells nothing of which accounts there are. */
export function SignInError({ error, tried }: { readonly error: unknown; readonly tried: Tried }): ReactNode {
  if (error instanceof NoPasskeyChosen) {
    return <Notice kind="warn">No passkey was used. Try again, or take the password.</Notice>;
  }
  const { reason, retryAfterMs = 0 } = explain(error);
  if (reason === "UNAUTHENTICATED") return <Notice kind="danger">{refusals[tried]}</Notice>;
  if (reason === "RATE_LIMITED" && retryAfterMs >= lockedFromMs) return <Locked forMs={retryAfterMs} />;
  return <ErrorNotice error={error} />;
}

function Locked({ forMs }: { readonly forMs: number }): ReactNode {
  const [until] = useState(() => new Date(Date.now() + forMs));
  return (
    <Notice kind="danger" title="The second factor is locked">
      After ten wrong codes no code counts until{" "}
      <time dateTime={until.toISOString()}>{clock.format(until)}</time>. A passkey still signs you in.
    </Notice>
  );
}
