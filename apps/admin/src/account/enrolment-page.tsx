import { useQueryClient } from "@tanstack/react-query";
import { useLocation, useRouter } from "@tanstack/react-router";
import { Fingerprint, Smartphone } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useTRPCClient } from "../api.ts";
import { forgetEverything } from "../frame/account.ts";
import { VisitorPage } from "../frame/visitor-page.tsx";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { addingApp, AuthenticatorApp, type AppSecret } from "./authenticator-app.tsx";
import { BackupCodes } from "./backup-codes.tsx";
import { NewPasskey } from "./new-passkey.tsx";
import { usePrivateChange } from "./private-change.ts";

type State =
  | { readonly step: "choose" }
  | { readonly step: "app"; readonly secret: AppSecret }
  | { readonly step: "passkey" }
  | { readonly step: "codes"; readonly codes: readonly string[] };

const steps = ["Choose", "Add", "Backup codes"] as const;
const numberOf: Readonly<Record<State["step"], number>> = { choose: 0, app: 1, passkey: 1, codes: 2 };

/** For a person who has to have a second factor and has none: before anything else they add one. */
export function EnrolmentPage(): ReactNode {
  const router = useRouter();
  const queryClient = useQueryClient();
  const target = useLocation({ select: ({ state }) => state.target });
  const [state, setState] = useState<State>({ step: "choose" });
  const goOn = (): void => {
    forgetEverything(queryClient);
    router.history.replace(target ?? "/");
  };
  return (
    <VisitorPage title="Add a second factor">
      <StepRail current={numberOf[state.step]} />
      {state.step === "choose" && (
        <Choice
          onApp={(secret) => setState({ step: "app", secret })}
          onPasskey={() => setState({ step: "passkey" })}
        />
      )}
      {state.step === "app" && (
        <AuthenticatorApp secret={state.secret} onAdded={(codes) => setState({ step: "codes", codes })} />
      )}
      {state.step === "passkey" && (
        <NewPasskey
          onAdded={(codes) => (codes === undefined ? goOn() : setState({ step: "codes", codes }))}
        />
      )}
      {state.step === "codes" && <BackupCodes codes={state.codes} onKept={goOn} />}
      {(state.step === "app" || state.step === "passkey") && (
        <Button kind="quiet" onClick={() => setState({ step: "choose" })}>
          Back
        </Button>
      )}
    </VisitorPage>
  );
}

interface ChoiceProps {
  readonly onApp: (secret: AppSecret) => void;
  readonly onPasskey: () => void;
}

function Choice({ onApp, onPasskey }: ChoiceProps): ReactNode {
  const client = useTRPCClient();
  const { error, run } = usePrivateChange(addingApp);
  return (
    <div className="grid gap-4">
      <p className="text-muted">
        Your role can read or change what others entrust to you. A password alone does not protect it.
      </p>
      {error !== undefined && <ErrorNotice error={error} onRetry={() => location.reload()} />}
      <ul className="grid gap-2">
        <Option
          icon={<Fingerprint size={20} aria-hidden />}
          name="Passkey"
          hint="A finger, a face or a PIN on this device"
          onChoose={onPasskey}
        />
        <Option
          icon={<Smartphone size={20} aria-hidden />}
          name="Authenticator app"
          hint="Six digits that change each 30 seconds"
          onChoose={() => void run(() => client.me.totp.begin.mutate(), onApp)}
        />
      </ul>
    </div>
  );
}

interface OptionProps {
  readonly icon: ReactNode;
  readonly name: string;
  readonly hint: string;
  readonly onChoose: () => void;
}

function Option({ icon, name, hint, onChoose }: OptionProps): ReactNode {
  return (
    <li>
      <button
        type="button"
        onClick={onChoose}
        className="flex w-full items-center gap-3 rounded-panel border border-line bg-surface px-4 py-3 text-left transition-colors hover:border-control"
      >
        <span className="text-accent">{icon}</span>
        <span className="grid">
          <span className="font-medium">{name}</span>
          <span className="text-small text-muted">{hint}</span>
        </span>
      </button>
    </li>
  );
}

function StepRail({ current }: { readonly current: number }): ReactNode {
  return (
    <ol aria-label="Steps" className="grid grid-cols-3 gap-2">
      {steps.map((step, i) => (
        <li
          key={step}
          aria-current={i === current ? "step" : undefined}
          className={`border-t-2 pt-2 text-small ${
            i <= current ? "border-accent" : "border-line"
          } ${i === current ? "font-medium text-ink" : "text-muted"}`}
        >
          {i + 1}. {step}
        </li>
      ))}
    </ol>
  );
}
