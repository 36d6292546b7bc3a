import { Link } from "@tanstack/react-router";
import { Download, FileUp, Plus } from "lucide-react";
import { lazy, Suspense, useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { Button, buttonLook } from "../ui/button.tsx";
import { usePasteToImport } from "./import-paste.ts";

const ExportDialog = lazy(async () => ({ default: (await import("./export.tsx")).ExportDialog }));

/** What the role may do on the page of a company's secrets, beside its title. */
export function SecretsActions(): ReactNode {
  const { subdomain: company, can } = useCompany();
  usePasteToImport(company, can("write"));
  const [isExporting, setExporting] = useState(false);
  return (
    <>
      {can("export") && (
        <Button kind="quiet" icon={Download} onClick={() => setExporting(true)}>
          Export
        </Button>
      )}
      {can("write") && (
        <>
          <Link to="/c/$company/secrets/import" params={{ company }} className={buttonLook()}>
            <FileUp size={16} aria-hidden />
            Import
          </Link>
          <Link
            to="/c/$company/secrets/new"
            params={{ company }}
            aria-keyshortcuts="n"
            className={buttonLook("primary")}
          >
            <Plus size={16} aria-hidden />
            Add secret
          </Link>
        </>
      )}
      {isExporting && (
        <Suspense>
          <ExportDialog company={company} open onClose={() => setExporting(false)} />
        </Suspense>
      )}
    </>
  );
}
