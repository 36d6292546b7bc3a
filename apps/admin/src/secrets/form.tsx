import type { ReactNode } from "react";
import { Notice } from "../ui/notice.tsx";
import { entryOf, useCatalog } from "../frame/catalog.ts";
import { useSecretList } from "./form-catalog.ts";
import { SecretForm } from "./form-secret.tsx";
import type { Saved } from "./form-save.ts";

interface ReplaceFormProps {
  readonly company: string;
  readonly secretKey: string;
  /** It was saved: as the current version, or as one that is pending. */
  readonly onDone: (saved: Saved) => void;
  readonly onCancel: () => void;
}

/** Replaces the value of a secret that is there. For those who may write. Suspends while catalogue and list load. */
export function ReplaceForm({ company, secretKey, onDone, onCancel }: ReplaceFormProps): ReactNode {
  const catalog = useCatalog();
  const { secrets, capabilities } = useSecretList(company);
  const entry = entryOf(catalog, secretKey);
  const current = secrets.find((secret) => secret.secretKey === secretKey);
  if (entry === undefined) {
    return <Notice title="It cannot be replaced here">The catalogue does not have this secret key.</Notice>;
  }
  return (
    <SecretForm
      key={`${company}/${secretKey}`}
      target={{ company, secretKey, entry, current, capabilities }}
      onDone={onDone}
      onCancel={onCancel}
    />
  );
}
