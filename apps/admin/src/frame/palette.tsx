import { skipToken, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useRouter } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Building2, Keyboard, KeyRound, LogOut, Moon, Search, Sun, Zap, type LucideIcon } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useState, type ReactNode } from "react";
import { useTRPC } from "../api.ts";
import { Keys } from "../ui/keys.tsx";
import { useReturnFocus } from "../ui/return-focus.ts";
import { useAccount } from "./account.ts";
import { chooseTheme } from "./appearance.ts";
import { useKeyboard } from "./keyboard.tsx";
import { platformPlaces } from "./places.ts";
import { usePlaces } from "./shortcuts.ts";

/** As many secrets are offered; more letters find the others. */
const secretsOffered = 8;

interface Item {
  readonly label: string;
  readonly icon: LucideIcon;
  /** On its right. */
  readonly beside?: ReactNode;
  readonly act: () => void;
}

interface Items {
  readonly heading: string;
  readonly items: readonly Item[];
}

/** Goes anywhere and does anything by typing: pages, secrets by name, companies, actions. */
export function Palette({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [text, setText] = useState("");
  const groups = useGroups(text);
  const returnFocus = useReturnFocus();
  const select = (act: () => void): void => {
    onClose();
    act();
  };
  return (
    <Radix.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-[rgb(0_0_0/0.45)]" />
        <Radix.Content
          {...returnFocus}
          aria-describedby={undefined}
          className="fixed top-[12svh] left-1/2 z-40 w-[calc(100vw-32px)] max-w-[560px] -translate-x-1/2 overflow-hidden rounded-panel border border-line bg-raised shadow-raised"
        >
          <Radix.Title className="sr-only">Go anywhere, do anything</Radix.Title>
          <Command label="Commands" vimBindings={false} loop>
            <div className="flex items-center gap-2.5 border-b border-line px-4">
              <Search size={16} aria-hidden className="text-muted" />
              <Command.Input
                value={text}
                onValueChange={setText}
                placeholder="A page, a secret, a company, an action"
                className="h-12 flex-1 bg-transparent text-body outline-none"
              />
              <Keys keys={["Esc"]} />
            </div>
            <Command.List className="max-h-[min(420px,60svh)] scroll-py-2 overflow-auto p-2">
              <Command.Empty className="px-2 py-6 text-center text-muted">
                Nothing is called that.
              </Command.Empty>
              {groups.map(({ heading, items }) => (
                <Group key={heading} heading={heading} items={items} onSelect={select} />
              ))}
            </Command.List>
          </Command>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Group({
  heading,
  items,
  onSelect,
}: Items & { readonly onSelect: (act: () => void) => void }): ReactNode {
  if (items.length === 0) return null;
  return (
    <Command.Group
      heading={heading}
      className="[&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:pt-2 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-small [&_[cmdk-group-heading]]:text-muted"
    >
      {items.map(({ label, icon: Icon, beside, act }) => (
        <Command.Item
          key={label}
          value={`${label} ${heading}`}
          keywords={typeof beside === "string" ? [beside] : []}
          onSelect={() => onSelect(act)}
          className="flex min-h-(--control-height) cursor-pointer items-center gap-2.5 rounded-control px-2 data-[selected=true]:bg-accent-bg data-[selected=true]:text-accent"
        >
          <Icon size={16} aria-hidden className="shrink-0 text-muted" />
          <span className="min-w-0 flex-1 truncate">{label}</span>
          {beside !== undefined && <span className="text-small text-muted">{beside}</span>}
        </Command.Item>
      ))}
    </Command.Group>
  );
}

function useGroups(text: string): readonly Items[] {
  // Before the dialog covers them.
  const [ofPage] = useState(actionsOfPage);
  const { companies, operator } = useAccount();
  const { company } = useParams({ strict: false });
  const { signOut } = useRouter().options.context;
  const keyboard = useKeyboard();
  const navigate = useNavigate();
  const places = usePlaces().map(({ to, label, icon, key }) => ({
    label,
    icon,
    ...(key !== undefined && { beside: <Keys keys={["g", key]} /> }),
    act: () => void (company !== undefined && navigate({ to, params: { company } })),
  }));
  const platform = operator === undefined ? [] : platformPlaces;
  return [
    {
      heading: "Pages",
      items: [
        ...places,
        ...platform.map(({ to, label, icon }) => ({
          label: `Platform: ${label}`,
          icon,
          act: () => void navigate({ to }),
        })),
        { label: "All companies", icon: Building2, act: () => void navigate({ to: "/companies" }) },
      ],
    },
    { heading: "On this page", items: ofPage },
    { heading: "Secrets", items: useSecrets(company, text) },
    {
      heading: "Companies",
      items: companies
        .filter(({ subdomain }) => subdomain !== company)
        .map(({ subdomain, role }) => ({
          label: subdomain,
          icon: Building2,
          beside: role,
          act: () => void navigate({ to: "/c/$company/secrets", params: { company: subdomain } }),
        })),
    },
    {
      heading: "This browser",
      items: [
        { label: "Light theme", icon: Sun, act: () => chooseTheme("light") },
        { label: "Dark theme", icon: Moon, act: () => chooseTheme("dark") },
        { label: "Keyboard shortcuts", icon: Keyboard, beside: <Keys keys={["?"]} />, act: keyboard.list },
        { label: "Sign out", icon: LogOut, act: () => void signOut() },
      ],
    },
  ];
}

/** Those of the open company with these letters. The list is asked for with the first letter: looking is audited. */
function useSecrets(company: string | undefined, text: string): readonly Item[] {
  const sought = text.trim().toLowerCase();
  const mayLook = usePlaces().some(({ to }) => to === "/c/$company/secrets");
  const trpc = useTRPC();
  const navigate = useNavigate();
  const { data } = useQuery(
    trpc.secrets.list.queryOptions(
      company !== undefined && mayLook && sought !== "" ? { company } : skipToken,
    ),
  );
  if (company === undefined || sought === "") return [];
  const found = data?.secrets.filter(({ secretKey, label = "" }) =>
    `${secretKey} ${label}`.toLowerCase().includes(sought),
  );
  return (found ?? []).slice(0, secretsOffered).map(({ secretKey, label }) => ({
    label: secretKey,
    icon: KeyRound,
    beside: label,
    act: () => void navigate({ to: "/c/$company/secrets/$secretKey", params: { company, secretKey } }),
  }));
}

/** The buttons and links beside the title of the page, which a person of this role may use. */
function actionsOfPage(): readonly Item[] {
  const controls = document.querySelectorAll<HTMLElement>(
    "[data-page-actions] a, [data-page-actions] button:not(:disabled, [aria-haspopup])",
  );
  return [...controls].map((control) => ({
    label: control.ariaLabel ?? control.innerText,
    icon: Zap,
    act: () => control.click(),
  }));
}
