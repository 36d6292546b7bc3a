import { createContext, use, useCallback, useState, type ComponentType, type ReactNode } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useTRPC } from "../api.ts";
import { reasonOf } from "../errors.ts";

/** What the sign-in's room gives: a dialog in which the person proves again who they are. */
export interface ConfirmationDialogProps {
  /** Why, in a sentence: "Revealing needs a recent sign-in." */
  readonly why: string;
  readonly onConfirmed: () => void;
  readonly onClose: () => void;
}

/** The person closed the dialog. Not an error to show: everything is as it was. */
export class ConfirmationDeclined extends Error {
  override readonly name = "ConfirmationDeclined";
}

type WithConfirmation = <T>(call: () => Promise<T>, why: string) => Promise<T>;

const Confirmation = createContext<WithConfirmation | undefined>(undefined);

/**
 * Makes a call that may need a recent sign-in. Where it does, the dialog comes up, and the call goes on by itself afterwards.
 *
 * @throws {ConfirmationDeclined} and what the call rejects with
 */
export function useConfirmation(): WithConfirmation {
  const withConfirmation = use(Confirmation);
  if (withConfirmation === undefined) throw new Error("This is not inside a ConfirmationProvider.");
  return withConfirmation;
}

interface Asked {
  readonly why: string;
  readonly answer: (isConfirmed: boolean) => void;
}

export function ConfirmationProvider({
  dialog: ConfirmationDialog,
  children,
}: {
  readonly dialog: ComponentType<ConfirmationDialogProps>;
  readonly children: ReactNode;
}): ReactNode {
  const [asked, setAsked] = useState<Asked>();
  const trpc = useTRPC();
  const queryClient = useQueryClient();

  const withConfirmation = useCallback<WithConfirmation>(
    async (call, why) => {
      try {
        return await call();
      } catch (error) {
        if (reasonOf(error) !== "CONFIRMATION_REQUIRED") throw error;
      }
      const { promise, resolve } = Promise.withResolvers<boolean>();
      setAsked((before) => {
        before?.answer(false);
        return { why, answer: resolve };
      });
      const isConfirmed = await promise;
      setAsked(undefined);
      if (!isConfirmed) throw new ConfirmationDeclined();
      void queryClient.invalidateQueries(trpc.me.get.pathFilter());
      return call();
    },
    [queryClient, trpc],
  );

  return (
    <Confirmation value={withConfirmation}>
      {children}
      {asked !== undefined && (
        <ConfirmationDialog
          why={asked.why}
          onConfirmed={() => asked.answer(true)}
          onClose={() => asked.answer(false)}
        />
      )}
    </Confirmation>
  );
}
