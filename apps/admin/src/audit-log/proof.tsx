import { useQuery } from "@tanstack/react-query";
import { ShieldAlert, ShieldCheck, ShieldQuestionMark } from "lucide-react";
import { useState, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { Command } from "../ui/command.tsx";

type Proof = ApiAnswers["audit"]["proof"];

const number = new Intl.NumberFormat("en-GB");

/** How far the audit log is sealed, what its last verification found, and how one checks it oneself. */
export function ProofLine({ company }: { readonly company: string | undefined }): ReactNode {
  const trpc = useTRPC();
  const { data, error, refetch } = useQuery(trpc.audit.proof.queryOptions({ company }, { gcTime: 0 }));
  if (error !== null) return <ErrorNotice error={error} onRetry={() => void refetch()} />;
  return (
    <div className="min-h-6 text-muted">{data !== undefined && <Line {...data} company={company} />}</div>
  );
}

function Line(proof: Proof & { readonly company: string | undefined }): ReactNode {
  const { sealed, unsealed, keyFingerprint, company } = proof;
  return (
    <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
      {sealed === undefined ? (
        <span>Nothing is sealed yet.</span>
      ) : (
        <span>
          Sealed up to <Time at={sealed.at} as="exact" /> (batch {number.format(sealed.batch)})
          {unsealed > 0 &&
            `; ${number.format(unsealed)} newer ${unsealed === 1 ? "event waits" : "events wait"}`}
          .
        </span>
      )}
      <Verification verification={proof.verification} />
      <HowTo company={company} keyFingerprint={keyFingerprint} />
    </p>
  );
}

function Verification({ verification }: Pick<Proof, "verification">): ReactNode {
  const [Icon, look] =
    verification === undefined
      ? [ShieldQuestionMark, ""]
      : verification.outcome === "sound"
        ? [ShieldCheck, "text-ok"]
        : [ShieldAlert, "text-danger"];
  return (
    <span className={`inline-flex items-center gap-1 ${look}`}>
      <Icon size={16} aria-hidden className="shrink-0" />
      {verification === undefined ? (
        "Not verified yet."
      ) : (
        <span>
          Verified <Time at={verification.finishedAt} />:{" "}
          {verification.outcome === "sound"
            ? "all well."
            : `${number.format(verification.findings)} ${verification.findings === 1 ? "finding" : "findings"}. Tell an operator.`}
        </span>
      )}
    </span>
  );
}

function HowTo({
  company,
  keyFingerprint,
}: Pick<Proof, "keyFingerprint"> & { readonly company: string | undefined }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        onClick={() => setOpen(true)}
        className="min-h-6 text-accent underline underline-offset-2"
      >
        How to check it yourself
      </button>
      <Dialog
        open={isOpen}
        onClose={() => setOpen(false)}
        title="How to check it yourself"
        description="Each event is sealed in a batch, and each batch is signed. An event that was changed afterwards no longer fits its batch."
      >
        <ol className="grid list-decimal gap-4 pl-5">
          <li>
            {company === undefined
              ? "Export the events of a company, on the page of its audit log or by the command line."
              : "Export the events of a time. The file has a proof for each."}
          </li>
          <Step text="Get the public keys from an operator, as a file. Compare its fingerprint with the one below.">
            <Command text="openssl pkey -pubin -in audit-keys.pem -outform der | sha256sum" />
            <code translate="no" className="font-mono text-code break-all">
              {keyFingerprint}
            </code>
          </Step>
          <Step text="Verify the file. It needs no credential and no network.">
            <Command
              text={`pnpm secrets audit verify-export ${company ?? "acmecorp"}.jsonl --public-key audit-keys.pem`}
            />
          </Step>
        </ol>
        <p className="text-muted">
          It shows that no event was changed. It cannot show that none was left out.
        </p>
      </Dialog>
    </>
  );
}

/** An item of the list, whose number a grid of its own would take away. */
function Step({ text, children }: { readonly text: string; readonly children: ReactNode }): ReactNode {
  return (
    <li>
      <div className="grid gap-2">
        <span>{text}</span>
        {children}
      </div>
    </li>
  );
}
