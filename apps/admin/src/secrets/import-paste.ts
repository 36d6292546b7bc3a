import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { importTexts } from "./drafts.ts";

const nameAndSign = /^\s*(?:export\s+)?[A-Za-z_][\w.-]*\s*=/;

/** Whether a text looks like lines of a `.env` file, and not like the name of a secret. */
export function isEnvText(text: string): boolean {
  return text.split("\n").some((line) => nameAndSign.test(line));
}

/** Takes a text to the import, as it is. */
export function useImportOf(company: string): (text: string) => void {
  const navigate = useNavigate();
  return (text) => {
    importTexts.set(company, "", text);
    void navigate({ to: "/c/$company/secrets/import", params: { company } });
  };
}

/** Lines of a `.env` file that are pasted anywhere on the page, but into a field, open the preview of their import. */
export function usePasteToImport(company: string, canWrite: boolean): void {
  const importText = useImportOf(company);
  useEffect(() => {
    if (!canWrite) return;
    const paste = (event: ClipboardEvent): void => {
      const isInField = event.target instanceof Element && event.target.closest("input, textarea") !== null;
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (!isInField && isEnvText(text)) importText(text);
    };
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  });
}
