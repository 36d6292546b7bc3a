import { useSearch } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { NotYoursPage } from "../frame/not-yours-page.tsx";
import type { MadeKey } from "./making.ts";
import { NewForm } from "./new-form.tsx";
import { RotateForm } from "./rotate-form.tsx";
import { ShownOnce } from "./shown-once.tsx";

/** Where a key is made: a new one, or the next one of a key that is rotated. A page of its own, so that no click beside loses it. */
export function NewApiKeyPage(): ReactNode {
  const { can } = useCompany();
  const { rotate } = useSearch({ from: "/signed-in/c/$company/api-keys/new" });
  const [made, setMade] = useState<MadeKey>();
  if (!can("members")) return <NotYoursPage />;
  if (made !== undefined) return <ShownOnce made={made} />;
  return rotate === undefined ? <NewForm onMade={setMade} /> : <RotateForm id={rotate} onMade={setMade} />;
}
