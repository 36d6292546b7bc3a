import { Dices } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";

interface GenerateProps {
  /** What a save would do: "Save as version 4". */
  readonly saves: string;
  readonly busy: boolean;
  readonly onGenerate: () => void;
}

/** Offers a value that the server makes, of a secret that the product may choose. */
export function Generate({ saves, busy, onGenerate }: GenerateProps): ReactNode {
  const [isOpen, setOpen] = useState(false);
  if (!isOpen) {
    return (
      <div>
        <Button icon={Dices} onClick={() => setOpen(true)}>
          Generate a value instead
        </Button>
      </div>
    );
  }
  return (
    <Notice title="The server makes a random value">
      <p>No page shows it on the way. Reveal it once afterwards, to hand it over to the other side.</p>
      <div className="mt-2 flex flex-wrap gap-2">
        <Button kind="primary" onClick={onGenerate} busy={busy}>
          Generate, and {saves.toLowerCase()}
        </Button>
        <Button onClick={() => setOpen(false)} disabled={busy}>
          Enter one myself
        </Button>
      </div>
    </Notice>
  );
}
