import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { ArrowLeft, X } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { useCompany } from "../frame/account.ts";
import { Page } from "../frame/page.tsx";
import { buttonLook, IconButton } from "../ui/button.tsx";
import { Copy } from "../ui/copy.tsx";
import { useIsWide } from "./list-width.ts";
import { useAskedPart } from "./panel-part.tsx";
import { Secret } from "./panel-secret.tsx";

const from = "/signed-in/c/$company/secrets/$secretKey";

/** One secret: beside the list where there is room, else a page. Opening it shows what lists show, and no value. */
export function SecretPanel(): ReactNode {
  const { company, secretKey } = useParams({ from });
  const isWide = useIsWide();
  const close = useReturn();
  const asked = useAskedPart(secretKey);
  const content = (
    <Secret
      key={`${company}/${secretKey}/${asked?.times ?? 0}`}
      company={company}
      secretKey={secretKey}
      part={asked?.part}
      onRemoved={close}
    />
  );
  return isWide ? (
    <Beside key={secretKey} secretKey={secretKey}>
      {content}
    </Beside>
  ) : (
    <Alone secretKey={secretKey}>{content}</Alone>
  );
}

interface FrameProps {
  readonly secretKey: string;
  readonly children: ReactNode;
}

function Beside({ secretKey, children }: FrameProps): ReactNode {
  const panel = useRef<HTMLElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const close = useClose();
  useEffect(() => {
    // A field that the panel was opened for has it already.
    if (panel.current?.contains(document.activeElement) === true) return;
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <aside
      ref={panel}
      aria-label={secretKey}
      className="sticky top-4 grid max-h-[calc(100svh-32px)] gap-4 overflow-auto rounded-panel border border-line bg-surface p-4"
    >
      <div className="flex items-start gap-1">
        <h2
          ref={heading}
          tabIndex={-1}
          translate="no"
          className="min-w-0 flex-1 py-1 font-mono text-section font-medium break-all outline-none"
        >
          {secretKey}
        </h2>
        <Copy text={secretKey} label="Copy the secret key" />
        <IconButton label="Close" icon={X} onClick={close} />
      </div>
      {children}
    </aside>
  );
}

function Alone({ secretKey, children }: FrameProps): ReactNode {
  const { subdomain: company } = useCompany();
  useClose();
  return (
    <Page
      title={secretKey}
      beside={<Copy text={secretKey} label="Copy the secret key" />}
      actions={
        <Link to="/c/$company/secrets" params={{ company }} search={true} className={buttonLook("quiet")}>
          <ArrowLeft size={16} aria-hidden />
          All secrets
        </Link>
      }
    >
      <div className="grid max-w-[560px] gap-4">{children}</div>
    </Page>
  );
}

/** Back to the list as it was. */
function useReturn(): () => void {
  const { company } = useParams({ from });
  const navigate = useNavigate();
  return () => {
    void navigate({
      to: "/c/$company/secrets",
      params: { company },
      search: true,
      resetScroll: false,
    });
  };
}

/** As {@link useReturn}; Esc does so, too, where nothing else takes it. */
function useClose(): () => void {
  const close = useReturn();
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const isTyping =
        event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
      if (event.key === "Escape" && !event.defaultPrevented && !isTyping) close();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
  return close;
}
