import { Search } from "lucide-react";
import type { ReactNode } from "react";
import { controlLook } from "../ui/field.tsx";

/** Looks for names in a list that is on the page. */
export function SearchField({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
}): ReactNode {
  return (
    <div className="relative">
      <Search
        size={16}
        aria-hidden
        className="pointer-events-none absolute top-1/2 left-2.5 -translate-y-1/2 text-muted"
      />
      <input
        type="search"
        aria-label={label}
        placeholder="Search"
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={`${controlLook} h-(--control-height) max-w-56 pl-8`}
        autoComplete="off"
        spellCheck={false}
      />
    </div>
  );
}
