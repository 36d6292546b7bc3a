import { Link } from "@tanstack/react-router";
import {
  CalendarClock,
  Ellipsis,
  Eye,
  History,
  PanelRight,
  PenLine,
  Trash2,
  type LucideIcon,
} from "lucide-react";
import { useState, type KeyboardEvent, type ReactNode } from "react";
import { IconButton, iconButtonLook } from "../ui/button.tsx";
import { aboveRowLink, type Column } from "../ui/data-table-columns.ts";
import { Menu, MenuItem, MenuLink, MenuSeparator } from "../ui/menu.tsx";
import type { Capabilities } from "./form-catalog.ts";
import type { ShownRow } from "./list-columns.tsx";
import type { PanelPart } from "./panel-part.tsx";

/** What the menu of a row offers beside opening it. */
export type RowAct = PanelPart | "set-expiry" | "remove";

interface MenuOptions {
  readonly can: Readonly<Record<"write" | "reveal" | "delete", boolean>>;
  readonly capabilities: Capabilities;
  readonly onAct: (act: RowAct, row: ShownRow) => void;
}

/** The last column of the list. */
export function menuColumn(options: MenuOptions): Column<ShownRow> {
  return {
    id: "menu",
    header: "Actions",
    cell: (row) => (
      <span className={`${aboveRowLink} flex justify-end`}>
        <RowButton row={row} options={options} />
      </span>
    ),
    align: "end",
    onPhone: "corner",
  };
}

const opens = new Set(["Enter", " ", "ArrowDown"]);

/** A button until it is used: the parts of 300 menus would take longer to paint than the rows. */
function RowButton(menu: { readonly row: ShownRow; readonly options: MenuOptions }): ReactNode {
  const [isUsed, setUsed] = useState(false);
  if (isUsed) return <RowMenu {...menu} />;
  const use = (event: KeyboardEvent): void => {
    if (!opens.has(event.key)) return;
    event.preventDefault();
    setUsed(true);
  };
  return (
    <button
      type="button"
      aria-label={labelOf(menu.row)}
      aria-haspopup="menu"
      aria-expanded={false}
      onClick={() => setUsed(true)}
      onKeyDown={use}
      className={iconButtonLook}
    >
      <Ellipsis size={16} aria-hidden />
    </button>
  );
}

function labelOf({ secretKey }: ShownRow): string {
  return `Actions for ${secretKey}`;
}

function RowMenu({ row, options }: { readonly row: ShownRow; readonly options: MenuOptions }): ReactNode {
  const { company, secretKey, hasDraft, writeOnly } = row;
  const { can, capabilities, onAct } = options;
  const item = (act: RowAct, icon: LucideIcon, text: string): ReactNode => (
    <MenuItem icon={icon} onSelect={() => onAct(act, row)}>
      {text}
    </MenuItem>
  );
  return (
    <Menu startsOpen trigger={<IconButton label={labelOf(row)} icon={Ellipsis} />}>
      <MenuLink>
        <Link to="/c/$company/secrets/$secretKey" params={{ company, secretKey }} search={true}>
          <PanelRight size={16} aria-hidden className="text-muted" />
          Open
        </Link>
      </MenuLink>
      {can.reveal && writeOnly !== true && item("reveal", Eye, "Reveal or copy")}
      {capabilities.history ? (
        item("history", History, "History")
      ) : (
        <NotInInfisical icon={History} name="History" />
      )}
      {can.write && (
        <>
          <MenuSeparator />
          {item("replace", PenLine, hasDraft ? "Continue with the draft" : "Replace value")}
          {capabilities.expiry ? (
            item("set-expiry", CalendarClock, "Set expiry…")
          ) : (
            <NotInInfisical icon={CalendarClock} name="Expiry" />
          )}
        </>
      )}
      {can.delete && (
        <>
          <MenuSeparator />
          {item("remove", Trash2, "Remove…")}
        </>
      )}
    </Menu>
  );
}

function NotInInfisical({ icon, name }: { readonly icon: LucideIcon; readonly name: string }): ReactNode {
  return (
    <MenuItem icon={icon} disabled>
      {name}: not in Infisical
    </MenuItem>
  );
}
