import { Link, useRouter } from "@tanstack/react-router";
import { LogOut, Monitor, Moon, Sun, UserRound } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Menu, MenuItem, MenuLink, MenuSeparator } from "../ui/menu.tsx";
import { useAccount } from "./account.ts";
import { chooseTheme, themeChoice, type Theme } from "./appearance.ts";

const themes = [
  ["system", "As the system", Monitor],
  ["light", "Light", Sun],
  ["dark", "Dark", Moon],
] as const satisfies readonly (readonly [Theme, ...unknown[]])[];

/** Who has signed in: the looks of the page, and the way out. */
export function AccountMenu(): ReactNode {
  const { name, email } = useAccount();
  const { signOut } = useRouter().options.context;
  const [theme, setTheme] = useState(themeChoice);
  const shown = name === "" ? email : name;
  return (
    <Menu
      align="start"
      trigger={
        <button
          type="button"
          className="flex h-10 w-full min-w-0 items-center gap-2 rounded-control px-2 text-left transition-colors hover:bg-sunken max-desktop:justify-center"
        >
          <span
            aria-hidden
            className="grid size-6 shrink-0 place-items-center rounded-full bg-sunken text-small font-medium uppercase outline outline-line"
          >
            {shown.slice(0, 1)}
          </span>
          <span className="min-w-0 flex-1 truncate max-desktop:sr-only">{shown}</span>
        </button>
      }
    >
      <p className="max-w-64 truncate px-2 py-1 text-small text-muted">{email}</p>
      <MenuSeparator />
      <MenuLink>
        <Link to="/account">
          <UserRound size={16} aria-hidden className="text-muted" />
          Account
        </Link>
      </MenuLink>
      <MenuSeparator />
      {themes.map(([choice, label, icon]) => (
        <MenuItem
          key={choice}
          icon={icon}
          onSelect={() => {
            chooseTheme(choice);
            setTheme(choice);
          }}
        >
          <span className="flex-1">{label}</span>
          {choice === theme && <span className="text-small text-muted">chosen</span>}
        </MenuItem>
      ))}
      <MenuSeparator />
      <MenuItem icon={LogOut} onSelect={() => void signOut()}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
