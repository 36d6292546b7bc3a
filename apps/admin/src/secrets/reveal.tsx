import { Copy, Eye, EyeOff, Lock } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { type Purpose, PurposeField } from "../frame/purpose-field.tsx";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { HiddenValue } from "../ui/secret-name.tsx";
import type { EntryDescription } from "../frame/catalog.ts";
import type { SecretDescription } from "./form-catalog.ts";
import { copyValue, useCopied } from "./reveal-clipboard.ts";
import { usePurpose } from "./reveal-purpose.ts";
import { useRevealed } from "./reveal-state.ts";
import { CopiedLine, ShownLine } from "./reveal-status.tsx";

interface ValueProps {
  readonly secret: SecretDescription;
  readonly entry: EntryDescription | undefined;
  /** Whether the panel was opened to reveal or copy it. */
  readonly takesFocus: boolean;
}

/** The value of a secret, hidden; and for those who may, how to see or copy it. */
export function SecretValue({ secret, entry, takesFocus }: ValueProps): ReactNode {
  const { subdomain: company, can } = useCompany();
  const { secretKey, lastFour } = secret;
  if (secret.writeOnly === true) {
    return (
      <Closed lastFour={lastFour}>
        No person can see this value: programs alone read it. To know it, look at its provider; to change it,
        replace it.
      </Closed>
    );
  }
  if (entry === undefined) return null;
  if (!can("reveal")) {
    return <Closed lastFour={lastFour}>Owners and admins can reveal it.</Closed>;
  }
  return (
    <Reveal
      key={`${company}/${secretKey}`}
      company={company}
      secretKey={secretKey}
      lastFour={lastFour}
      takesFocus={takesFocus}
    />
  );
}

const box =
  "grid h-[84px] content-center overflow-auto rounded-control border border-line bg-sunken px-3 py-2";

function Closed({
  lastFour,
  children,
}: {
  readonly lastFour: string | undefined;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <section aria-label="Value" className="grid gap-2">
      <div className={box}>
        <Hidden lastFour={lastFour} />
      </div>
      <p className="flex gap-2 text-muted">
        <Lock size={16} aria-hidden className="mt-0.5 shrink-0" />
        {children}
      </p>
    </section>
  );
}

function Hidden({ lastFour }: { readonly lastFour: string | undefined }): ReactNode {
  return (
    <span className="flex items-center gap-2">
      <HiddenValue />
      {lastFour !== undefined && <span className="font-mono text-code text-muted">…{lastFour}</span>}
    </span>
  );
}

interface RevealProps {
  readonly company: string;
  readonly secretKey: string;
  readonly lastFour: string | undefined;
  readonly takesFocus: boolean;
}

function Reveal({ company, secretKey, lastFour, takesFocus }: RevealProps): ReactNode {
  const { shown, isBusy, error, show, borrow, hide } = useRevealed(company, secretKey);
  const { purpose, choose } = usePurpose();
  const [isAsked, setAsked] = useState(false);
  const [cannotCopy, setCannotCopy] = useState(false);
  const field = useRef<HTMLSelectElement>(null);
  useEffect(() => {
    if (takesFocus) field.current?.focus();
  }, [takesFocus]);
  const again = useRef<() => void>(undefined);
  const name = `${company}/${secretKey}`;
  const copied = useCopied(name);

  /** Asks for the purpose first, where there is none. */
  const withPurpose = (act: (purpose: Purpose) => Promise<void>): void => {
    setAsked(purpose === undefined);
    if (purpose === undefined) return field.current?.focus();
    // Chosen again: it is offered for ten more minutes.
    choose(purpose);
    again.current = () => void act(purpose);
    again.current();
  };
  const put = async (value: string): Promise<void> => {
    try {
      await copyValue(name, value);
      setCannotCopy(false);
    } catch {
      setCannotCopy(true);
    }
  };
  const copy = (): void => {
    if (shown === undefined) withPurpose((why) => borrow(why, put));
    else void borrow(purpose, put);
  };

  return (
    <section aria-label="Value" className="grid gap-3">
      {/* No input: a browser restores what inputs held. */}
      <div className={box} tabIndex={shown === undefined ? undefined : 0} role="group" aria-label="Value">
        {shown === undefined ? (
          <Hidden lastFour={lastFour} />
        ) : (
          <code
            translate="no"
            className="font-mono text-code break-all whitespace-pre-wrap text-ink select-all print:hidden"
          >
            {shown.value}
          </code>
        )}
      </div>
      <div className="grid grid-cols-[minmax(0,1fr)_auto_auto] items-start gap-2">
        <PurposeField
          ref={field}
          purpose={purpose}
          onChoose={(chosen) => {
            setAsked(false);
            choose(chosen);
          }}
          error={isAsked ? "Choose one: it is in the audit log." : undefined}
        />
        <span className="mt-6 grid w-24">
          {shown === undefined ? (
            <Button icon={Eye} busy={isBusy} aria-keyshortcuts="v" onClick={() => withPurpose(show)}>
              Reveal
            </Button>
          ) : (
            <Button icon={EyeOff} aria-keyshortcuts="v" onClick={hide}>
              Hide
            </Button>
          )}
        </span>
        <span className="mt-6 grid">
          <Button icon={Copy} disabled={isBusy} aria-keyshortcuts="c" onClick={copy}>
            Copy
          </Button>
        </span>
      </div>
      <div className="grid min-h-6 gap-1">
        {shown !== undefined && <ShownLine until={shown.until} />}
        {copied !== undefined && <CopiedLine copied={copied} />}
        {cannotCopy && (
          <p role="alert" className="text-danger">
            The browser did not allow it to be copied. Reveal it, and copy it by hand.
          </p>
        )}
      </div>
      {/* What is read aloud: that it is shown, and never what. */}
      <p role="status" className="sr-only">
        {shown === undefined ? "" : "The value is shown for 30 seconds."}
      </p>
      {error !== undefined && <ErrorNotice error={error} onRetry={() => again.current?.()} />}
    </section>
  );
}
