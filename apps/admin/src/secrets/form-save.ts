import { TRPCClientError } from "@trpc/client";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { AppRouter } from "@repo/tenant-secrets/client";
import { useTRPC, useTRPCClient } from "../api.ts";
import { explain, reasonOf } from "../errors.ts";
import type { Draft } from "./drafts.ts";
import { expiryOf } from "./expiry-date.ts";
import type { Capabilities } from "./form-catalog.ts";

/** Where the saving of a draft stands. */
export type Saving =
  | { readonly step: "editing" }
  | { readonly step: "saving"; readonly since: number }
  /** No answer came, or one that leaves it open. The draft can be sent again: it is applied once. */
  | { readonly step: "unknown" }
  | { readonly step: "not-saved" }
  /** Its provider does not take the value. */
  | { readonly step: "rejected"; readonly detail: string | undefined }
  | { readonly step: "conflict"; readonly currentVersion: number }
  | { readonly step: "failed"; readonly error: unknown };

export interface Saved {
  readonly version: number;
  readonly isPending: boolean;
  readonly check?: "accepted" | "unknown" | undefined;
}

interface Target {
  readonly company: string;
  readonly secretKey: string;
  readonly capabilities: Capabilities;
  readonly onSaved: (saved: Saved) => void;
}

export interface SaveOptions {
  readonly value: string;
  readonly draft: Draft;
  /** The version that the person has seen. */
  readonly expectedVersion: number;
  /** Destroys the pending version, which the person has seen. */
  readonly replacesPending: boolean;
}

/** Saves values past the cache of queries, which would keep what it sends. */
export function useSaving({ company, secretKey, capabilities, onSaved }: Target) {
  const client = useTRPCClient();
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [saving, setSaving] = useState<Saving>({ step: "editing" });

  /** Makes a change that answers with its version, and says in `saving` what became of it. */
  const settle = async (expectedVersion: number, change: () => Promise<Saved>): Promise<void> => {
    setSaving({ step: "saving", since: Date.now() });
    try {
      const saved = await change();
      setSaving({ step: "editing" });
      onSaved(saved);
      await queryClient.invalidateQueries(trpc.secrets.pathFilter());
    } catch (error) {
      setSaving(outcomeOf(error, expectedVersion));
    }
  };

  const save = ({ value, draft, expectedVersion, replacesPending }: SaveOptions): Promise<void> => {
    const { note, requestId, graceSeconds, expires, stage, check } = draft;
    const input = {
      company,
      secretKey,
      value,
      ...(capabilities.conditionalWrites && { expectedVersion }),
      ...(capabilities.requestIds && { requestId }),
      ...(capabilities.notes && note !== "" && { note }),
      ...(capabilities.expiry && expires !== "" && { expiresAt: expiryOf(expires) }),
    };
    return settle(expectedVersion, async () => {
      if (stage) {
        const { version } = await client.secrets.stage.mutate({ ...input, replace: replacesPending });
        return { version, isPending: true };
      }
      const grace = capabilities.stages && expectedVersion > 0 ? { graceSeconds } : {};
      const written = await client.secrets.write.mutate({
        ...input,
        ...grace,
        ...(capabilities.checks && check && { check }),
      });
      return { ...written, isPending: false };
    });
  };

  const generate = ({
    draft,
    expectedVersion,
  }: Pick<SaveOptions, "draft" | "expectedVersion">): Promise<void> =>
    settle(expectedVersion, async () => {
      const { note, requestId, graceSeconds } = draft;
      const { version } = await client.secrets.generate.mutate({
        company,
        secretKey,
        ...(capabilities.conditionalWrites && { expectedVersion }),
        ...(capabilities.requestIds && { requestId }),
        ...(capabilities.notes && note !== "" && { note }),
        ...(capabilities.stages && expectedVersion > 0 && { graceSeconds }),
      });
      return { version, isPending: false };
    });

  /** Looks whether a draft arrived whose answer did not. */
  const askAgain = async (expectedVersion: number): Promise<void> => {
    setSaving({ step: "saving", since: Date.now() });
    try {
      const { versions } = await client.secrets.history.query({ company, secretKey, limit: 10 });
      const current = versions.find(({ stage }) => stage === "current")?.version ?? 0;
      setSaving(
        current === expectedVersion ? { step: "not-saved" } : { step: "conflict", currentVersion: current },
      );
    } catch (error) {
      const isAbsent = reasonOf(error) === "NOT_FOUND" && expectedVersion === 0;
      setSaving(isAbsent ? { step: "not-saved" } : { step: "unknown" });
    }
  };

  return { saving, save, generate, askAgain, edit: () => setSaving({ step: "editing" }) };
}

function outcomeOf(error: unknown, expectedVersion: number): Saving {
  const { reason, currentVersion, detail } = explain(error);
  switch (reason) {
    case "NO_ANSWER":
    case "STORE_UNAVAILABLE":
    case "DATABASE_UNAVAILABLE":
    case "INTERNAL":
      return { step: "unknown" };
    case "INVALID_VALUE":
      return fieldsOf(error).includes("check") ? { step: "rejected", detail } : { step: "failed", error };
    case "CONFLICT":
      // Other conflicts than of versions, such as too many earlier ones that are active, are the server's to explain.
      return currentVersion === undefined || currentVersion === expectedVersion
        ? { step: "failed", error }
        : { step: "conflict", currentVersion };
    default:
      return { step: "failed", error };
  }
}

function fieldsOf(error: unknown): readonly string[] {
  return isOfApi(error) ? (error.data?.fields ?? []) : [];
}

/** The client makes these of answers of this API alone. */
function isOfApi(error: unknown): error is TRPCClientError<AppRouter> {
  return error instanceof TRPCClientError;
}
