import type { ReactNode } from "react";
import type { Role } from "@repo/tenant-secrets/client";
import { RadioGroup } from "../ui/choices.tsx";
import { roleWords, rolesGivenBy } from "./roles.ts";

/** The roles that the reader may give, each with what it may do. */
export function RoleChoice({
  own,
  value,
  onChange,
}: {
  readonly own: Role;
  readonly value: Role;
  readonly onChange: (role: Role) => void;
}): ReactNode {
  return (
    <RadioGroup
      label="Role"
      value={value}
      onChange={onChange}
      options={rolesGivenBy(own).map((role) => ({
        value: role,
        label: roleWords[role].label,
        hint: roleWords[role].sentence,
      }))}
    />
  );
}
