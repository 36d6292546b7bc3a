import { useRef, useState, type FormEvent, type ReactNode } from "react";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { brokenText } from "@repo/tenant-secrets/files";
import { useTRPCClient } from "../api.ts";
import { ConfirmationDeclined, useConfirmation } from "../frame/confirmation.tsx";
import { Page } from "../frame/page.tsx";
import { Button } from "../ui/button.tsx";
import { ErrorNotice } from "../ui/notice.tsx";
import { ValueField } from "../ui/value-field.tsx";
import { SearchResult } from "./search-result.tsx";

type Answer = ApiAnswers["secrets"]["search"];

/** Where a value is in use: "is this leaked string one of ours?" The value is in the state of this component alone. */
export function SearchPage(): ReactNode {
  const client = useTRPCClient();
  const withConfirmation = useConfirmation();
  const [value, setValue] = useState("");
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const rule = value === "" ? undefined : brokenText(value);
  const endsWithBreak = value.endsWith("\n");

  const edit = (text: string): void => {
    setValue(text);
    setError(undefined);
  };
  const search = async (): Promise<void> => {
    if (isBusy || value === "" || rule !== undefined) return;
    setBusy(true);
    setError(undefined);
    setAnswer(undefined);
    try {
      const call = () => client.secrets.search.mutate({ value });
      setAnswer(await withConfirmation(call, "Searching for a value needs a recent sign-in."));
      setValue("");
    } catch (failure) {
      if (!(failure instanceof ConfirmationDeclined)) setError(failure);
      // Once it can have it again.
      requestAnimationFrame(() => field.current?.focus());
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void search();
  };

  return (
    <Page title="Search by value">
      <form className="grid max-w-[640px] gap-4" onSubmit={submit}>
        <p className="text-muted">
          Tells which secrets of which companies have a value, now or in an earlier version: for a string that
          was leaked, or a credential that a provider asks about. Each match is in its company’s audit log.
        </p>
        {error !== undefined && <ErrorNotice error={error} onRetry={() => void search()} />}
        <ValueField
          ref={field}
          label="Value"
          value={value}
          onChange={edit}
          onEnter={() => void search()}
          error={rule === undefined ? undefined : `A value ${rule}.`}
          hint={
            endsWithBreak
              ? "It ends with a line break, which counts."
              : "The whole value, exactly. The field is emptied when the answer comes."
          }
          disabled={isBusy}
        />
        <div className="flex flex-wrap gap-2">
          <Button kind="primary" type="submit" busy={isBusy} disabled={value === "" || rule !== undefined}>
            Search
          </Button>
          {endsWithBreak && !isBusy && (
            <Button onClick={() => edit(value.replace(/\n+$/, ""))}>Remove the line break</Button>
          )}
        </div>
      </form>
      {answer !== undefined && <SearchResult answer={answer} />}
    </Page>
  );
}
