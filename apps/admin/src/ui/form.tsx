import type { ReactElement, ReactNode } from "react";
import { Button } from "./button.tsx";

interface FormProps {
  readonly onSubmit: () => void;
  /** What the button does: "Make the key". */
  readonly action: string;
  readonly busy: boolean;
  /** A link to where one came from. */
  readonly cancel: ReactElement;
  /** What went wrong. */
  readonly problem: ReactNode;
  readonly children: ReactNode;
}

/** The form of a page that makes or changes one thing. The page says what is wrong with a field, not the browser. */
export function Form({ onSubmit, action, busy, cancel, problem, children }: FormProps): ReactNode {
  return (
    <form
      noValidate
      className="grid max-w-[640px] gap-6"
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
      {problem}
      <div className="flex flex-wrap gap-2">
        <Button kind="primary" type="submit" busy={busy}>
          {action}
        </Button>
        {cancel}
      </div>
    </form>
  );
}
